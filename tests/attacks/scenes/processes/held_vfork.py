"""Stops its child between vfork and exec, which holds the parent so that it cannot be woken."""
# expect: time_limit crashed scene_error
# job: timeout_s=3
# tries: no, it does not live to
import ctypes

from manim import *


class Attack(Scene):
    def construct(self):
        libc = ctypes.CDLL(None)
        code = ctypes.CDLL(None)
        if libc.syscall(58) == 0:  # vfork
            code.syscall(34)  # pause, in the parent's memory
        self.wait(0.1)
