"""Leaves files whose names are no text, or commands, or as long as can be."""
# expect: completed
# tries: no, what is left is seen from outside
import os

from manim import *

NAMES = [b"-rf", b"$(touch x)", b"`id`", b"a\nb", b"\x1b[2J", b"\xff\xfe\x80", b"x" * 255, b" ", b"..." , b"a;rm -rf .",
         "\u202egpj.exe".encode(), b"*", b"?", b"~", b"%n%n", b"\x7f", b"con", b"\\..\\.."]  # fmt: skip


class Attack(Scene):
    def construct(self):
        for name in NAMES:
            with open(name, "wb") as out:
                out.write(name)
            os.mkdir(name[:200] + b".d")
        self.wait(0.1)
