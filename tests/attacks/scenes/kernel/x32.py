"""Makes system calls of x32, which are those of x86_64 with another number."""
# expect: completed
import os
import signal

from attack import *

X32 = 0x40000000


class Attack(Trial):
    def attack(self):
        for number in (39, 41, 56, 101, 512 + 8, 1):
            status = in_child(lambda: syscall(X32 | number, 0, 0, 0))
            if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGSYS:
                breach(f"call {number} of x32 came back: {status:#x}")
            tried(f"call {number} of x32")
