"""Leaves a child that goes on changing its files, its log and the ring while they are read."""
# expect: completed log_limit output_invalid disk_limit
# job: timeout_s=20 disk_mb=20
# tries: no, what is left is seen from outside
# ablation: no, without its uid nobody would find it
import os

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() == 0:
            number = 0
            while True:
                number += 1
                try:
                    with open(f"late{number % 50}", "w") as out:
                        out.write("x" * 1000)
                    os.write(1, b"late\n")
                except OSError:
                    pass
        self.wait(0.3)
