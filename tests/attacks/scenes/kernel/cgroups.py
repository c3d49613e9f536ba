"""Moves itself between control groups, and frees itself of them."""
# expect: completed
# ablation: no, as root it would change this machine
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"):
            for name in ("cgroup.procs", "tasks", "cgroup.kill", "memory.max", "memory.limit_in_bytes", "release_agent", "cgroup.subtree_control"):
                attempt(f"{root}/{name}", lambda: os.open(f"{root}/{name}", os.O_WRONLY))
            attempt(f"mkdir {root}", lambda: os.mkdir(f"{root}/{TARGETS['token']}"))
