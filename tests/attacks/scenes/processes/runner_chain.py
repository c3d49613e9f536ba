"""Runs on from process to process, each forking the next and ending: nobody can aim at it."""
# expect: completed time_limit
# job: timeout_s=3 processes=40
# tries: no, it is seen from outside what is left
# ablation: no, without its uid nobody would find it
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(8):
            if os.fork() == 0:
                for fd in range(3):
                    os.close(fd)
                while True:
                    try:
                        if os.fork():
                            os._exit(0)
                    except OSError:
                        pass
        self.wait(0.1)
