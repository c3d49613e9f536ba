"""Twelve forks that share 150 MiB: their resident sets sum to far more than is used."""
# expect: completed
# job: memory_mb=700 timeout_s=30
import os
import time

from manim import *


class SharedPages(Scene):
    def construct(self):
        ballast = bytearray(150 << 20)
        ballast[::4096] = b"x" * len(ballast[::4096])
        children = []
        for _ in range(12):
            pid = os.fork()
            if pid == 0:
                time.sleep(1.5)
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        self.wait(0.1)
