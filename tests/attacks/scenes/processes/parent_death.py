"""Asks not to die with its parent, by option, by session and by an adopted parent."""
# expect: completed
# tries: no, what is left is seen from outside
# ablation: no, without its uid nobody would find it
import ctypes
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        libc = ctypes.CDLL(None)
        libc.prctl(1, 0, 0, 0, 0)
        libc.prctl(36, 1, 0, 0, 0)
        if os.fork() == 0:
            libc.prctl(1, 0, 0, 0, 0)
            libc.prctl(36, 1, 0, 0, 0)
            if os.fork() == 0:
                time.sleep(1000)
            time.sleep(1000)
        self.wait(0.1)
