"""Prints what moves the cursor, turns text round and rings."""
# expect: completed
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        os.write(1, "\x1b[2J\x1b]0;title\x07\u202eback\u2066\x9b31m\x00\x08\r\n".encode() * 100)
        self.wait(0.1)
