"""Looks for the kernel's objects that the uid of its slot may have from before: keys, memory, queues, children, timers."""
# expect: completed
# alone: yes
import os
import signal

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("keys", lambda: syscall("keyctl", 11, -4, None, 0))
        attempt("shared memory", lambda: syscall("shmget", 0x61747461, 4096, 0))
        attempt("a queue", lambda: syscall("mq_open", b"attack", 0, 0, None))
        attempt("a child", lambda: os.waitpid(-1, os.WNOHANG))
        if signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0):
            breach("a timer is left")
