"""Comes back from a signal that never was, with registers of its own making, and asks for a socket."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        status = in_child(lambda: syscall(15))
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            breach("it came back")
        tried(f"rt_sigreturn: {status:#x}")
        attempt("and a socket", lambda: syscall("socket", 2, 1, 0))
