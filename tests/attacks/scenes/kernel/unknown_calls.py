"""Calls every number up to six hundred that nobody has named."""
# expect: completed
# ablation: no, nobody knows what they would do
import ctypes
import os

from attack import *

# uretprobe and uprobe (335, 336) are let past every filter by the kernel itself, since 6.14 and 6.18;
# they do nothing for a caller that is not in a probe.
FIRST, LAST = 337, 600
# Allowed, and harmless with these arguments: rseq, close_range, openat2, faccessat2, epoll_pwait2, futex_waitv, pidfd_send_signal …
HARMLESS = {424, 434, 436, 437, 439, 441, 449, 452}


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(4096)
        for number in [n for n in range(FIRST, LAST) if n not in HARMLESS]:
            def call():
                try:
                    syscall(number, -1, room, -1, -1, -1, -1)
                except OSError as error:
                    os._exit(0 if error.errno in (1, 38) else 2)
                os._exit(3)

            status = in_child(call)
            if os.WEXITSTATUS(status) in (2, 3):
                breach(f"call {number}")
            tried(f"call {number}")
