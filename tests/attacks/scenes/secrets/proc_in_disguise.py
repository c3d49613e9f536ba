"""Reaches other processes' /proc by its own: links, dots, threads, roots."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        other, me = TARGETS["worker_pid"], os.getpid()
        for path in (
            f"/proc/self/../{other}/environ", f"/proc/thread-self/../../../{other}/environ",
            f"/proc/{me}/task/{me}/../../../{other}/environ", "/proc/self/task", f"/proc/self/task/{me}/environ",
            "/proc/self/environ", "/proc/self/mem", "/proc/self/auxv", "/proc/self/mountinfo", "/proc/self/net/tcp",
            "/proc/self/net/unix", "/proc/self/ns/net", "/proc/self/root/etc/passwd", "/proc/self/root/proc/1/environ",
            f"/proc/self/cwd/../../../../../../proc/{other}/environ", "/proc/self/cgroup", "/proc/self/map_files",
            "/proc/net/tcp", "/proc/mounts", "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/setgroups",
        ):  # fmt: skip
            read_or_list = (lambda: read(path, 64)) if not os.path.isdir(path) else (lambda: os.listdir(path))
            attempt(path, read_or_list)
