"""Leaves directories without any right, with set-id and sticky bits, open and full."""
# expect: completed
# tries: no, what is left is seen from outside
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for number, mode in enumerate((0, 0o111, 0o444, 0o555)):
            os.makedirs(f"locked{number}/inner/more", exist_ok=True)
            with open(f"locked{number}/inner/file", "w") as out:
                out.write("x")
                os.fchmod(out.fileno(), 0)
        for number, mode in enumerate((0, 0o111, 0o444, 0o555)):
            for path in (f"locked{number}/inner", f"locked{number}"):
                fd = os.open(path, os.O_RDONLY)
                os.fchmod(fd, mode)
                os.close(fd)
        fd = os.open(".", os.O_RDONLY)
        os.fchmod(fd, 0o500)
        self.wait(0.1)
