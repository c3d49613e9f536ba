"""Reads what the kernel says to root: symbols, memory, messages, keys."""
# expect: completed
# gpu: no, there it may: its driver reads /proc/meminfo
from attack import *

PLACES = (
    "/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/dev/port", "/proc/kpageflags",
    "/proc/kpagecount", "/proc/sched_debug", "/proc/timer_list", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/iomem",
    "/proc/ioports", "/proc/modules", "/proc/cmdline", "/proc/config.gz", "/proc/version", "/proc/meminfo", "/proc/stat",
    "/proc/uptime", "/proc/loadavg", "/proc/partitions", "/sys/kernel/security/lsm", "/sys/kernel/debug",
    "/sys/kernel/tracing/trace", "/sys/firmware", "/sys/module", "/sys/fs/bpf", "/boot", "/proc/sys/kernel/random/boot_id",
)  # fmt: skip


class Attack(Trial):
    def attack(self):
        for path in PLACES:
            read_forbidden(path)
