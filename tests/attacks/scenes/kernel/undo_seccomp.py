"""Adds filters, listens to them, asks for strict mode, turns them off."""
# expect: completed
import ctypes

from attack import *

PR_SET_SECCOMP, PR_GET_SECCOMP = 22, 21


class Attack(Trial):
    def attack(self):
        program = ctypes.create_string_buffer(b"\x06\0\0\0\0\0\xff\x7f", 8)  # allow all
        for operation in (0, 1, 2, 3):
            for flags in (0, 1, 2, 8, 16):
                forbidden("seccomp", operation, flags, program)
        for mode in (0, 1, 2):
            forbidden("prctl", PR_SET_SECCOMP, mode, program, 0, 0)
        attempt("sockets after all", lambda: syscall("socket", 2, 2, 0))
