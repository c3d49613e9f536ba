"""Moves its directories about, so that nobody can walk through them, and fills them."""
# expect: disk_limit sandbox_violation
# job: disk_mb=128 timeout_s=30
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        os.makedirs("a/b/c")
        os.mkdir("z")
        if os.fork() == 0:
            while True:
                os.rename("a/b", "z/b")
                os.rename("z/b", "a/b")
        for n in range(10**6):
            with open(f"a/f{n}", "wb") as file:
                file.write(b"x" * (1 << 20))
            if n % 32 == 31:
                time.sleep(0.1)
