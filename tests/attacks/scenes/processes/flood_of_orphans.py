"""Leaves two hundred children that end at once, for somebody else to bury."""
# expect: completed process_limit
# job: timeout_s=40 processes=60
# tries: no, it is seen from outside
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(20):
            try:
                pid = os.fork()
            except OSError:
                continue
            if pid == 0:
                for _ in range(10):
                    try:
                        if os.fork() == 0:
                            os._exit(0)
                    except OSError:
                        pass
                os._exit(0)
            os.waitpid(pid, 0)
        self.wait(0.1)
