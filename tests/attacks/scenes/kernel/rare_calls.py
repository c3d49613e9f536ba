"""Calls that no render needs and that have been ways out: each must be refused before it is looked at."""
# expect: completed
# gpu: no, there it may: memfd_create
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(4096)
        for name in (
            "bpf", "keyctl", "add_key", "request_key", "userfaultfd", "perf_event_open", "kcmp", "pidfd_getfd",
            "process_madvise", "process_mrelease", "io_uring_setup", "fanotify_init", "syslog", "lookup_dcookie",
            "modify_ldt", "iopl", "ioperm", "quotactl", "quotactl_fd", "memfd_create", "memfd_secret", "personality",
            "move_pages", "migrate_pages", "mbind", "set_mempolicy", "vmsplice", "remap_file_pages", "uselib", "sysfs",
            "ustat", "name_to_handle_at", "open_by_handle_at", "seccomp", "landlock_create_ruleset", "acct", "vhangup",
            "lsm_set_self_attr", "statmount", "listmount", "cachestat", "_sysctl",
        ):  # fmt: skip
            forbidden(name, 0, room, 0, 0, 0, 0)
