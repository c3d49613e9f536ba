"""Sets the machine's clock and names, its swap, its modules; restarts it. (With arguments that would fail.)"""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        wrong = ctypes.create_string_buffer(b"\xff" * 64, 64)
        for name, words in (
            ("settimeofday", (wrong, None)), ("clock_settime", (99, wrong)), ("adjtimex", (wrong,)), ("clock_adjtime", (99, wrong)),
            ("sethostname", (wrong, -1)), ("setdomainname", (wrong, -1)), ("swapon", (b"/nonexistent", 0)), ("swapoff", (b"/nonexistent",)),
            ("reboot", (0, 0, 0, None)), ("kexec_load", (0, 99, None, 1)), ("kexec_file_load", (-1, -1, 0, None, 0)),
            ("init_module", (None, 0, b"")), ("finit_module", (-1, b"", 0)), ("delete_module", (b"nonexistent", 0)),
            ("acct", (b"/nonexistent",)), ("quotactl", (0, b"/nonexistent", 0, None)), ("quotactl_fd", (-1, 0, 0, None)),
            ("syncfs", (-1,)), ("syslog", (99, None, 0)),
        ):  # fmt: skip
            forbidden(name, *words)
