"""Leaves marks wherever it can think of for the next job of its slot."""
# expect: completed
# alone: yes
import builtins
import os
import signal
import sys
import tempfile

from attack import *


class Attack(Trial):
    def attack(self):
        import manim
        import numpy

        for module in (manim, numpy, sys, builtins, os):
            module.attack_mark = "left"
        manim.Square.set_default(color="#123456", side_length=7)
        manim.config.background_color = "#654321"
        manim.config["frame_rate"] = 11
        os.environ["ATTACK_MARK"] = "left"
        sys.path.insert(0, "/attack-mark")
        sys.modules["attack_mark"] = sys
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.alarm(0)
        tempfile.tempdir = os.getcwd()
        sys.setrecursionlimit(777)
        os.umask(0)
        numpy.random.seed(4242)
        manim.Scene.attack_mark = "left"
        os.makedirs("media/Tex", exist_ok=True)
        for place in (".", "media", "media/Tex", "tmp", ".cache"):
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/attack_mark", "w") as out:
                out.write("left")
        tried("marks are left")
