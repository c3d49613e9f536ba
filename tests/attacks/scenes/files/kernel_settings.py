"""Opens the kernel's own settings for writing."""
# expect: completed
# ablation: no, as root it would change this machine
import glob
import os

from attack import *

PLACES = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
    "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register", "/proc/irq",
    "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/pids/tasks", "/sys/power/state", "/sys/module/printk/parameters/time",
    "/sys/class/net/lo/mtu", "/sys/fs/cgroup/notify_on_release", "/proc/self/uid_map", "/proc/self/gid_map",
)  # fmt: skip


class Attack(Trial):
    def attack(self):
        for path in PLACES:
            attempt(f"write {path}", lambda: os.open(path, os.O_WRONLY))
        attempt("make a cgroup", lambda: os.mkdir(f"/sys/fs/cgroup/{TARGETS['token']}"))
        attempt("see cgroups", lambda: glob.glob("/sys/fs/cgroup/*"), bool)
