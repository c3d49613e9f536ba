"""Leaves keys with the kernel, and looks for those of others."""
# expect: completed
import os

from attack import *

SESSION, USER, PROCESS, THREAD, GROUP = -3, -4, -2, -1, -6


class Attack(Trial):
    def attack(self):
        rings = (SESSION, PROCESS, THREAD) if os.getuid() == 0 else (SESSION, USER, PROCESS, THREAD, GROUP, -5)
        for ring in rings:  # root's own would be others' too
            forbidden("add_key", b"user", b"attack", b"x", 1, ring)
            forbidden("request_key", b"user", b"attack", None, ring)
            for command in range(0, 33):
                forbidden("keyctl", command, ring, 0, 0, 0)
        forbidden("keyctl", 22, os.getuid(), SESSION, 0, 0)  # the persistent one, which outlives us
        attempt("/proc/keys", lambda: read("/proc/keys"))
