"""Looks for what the job before it left: objects, settings, signals, files, processes."""
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
        for what, left in {**objects(), **process()}.items():
            if left:
                breach(f"{what} is left")
            tried(what)
        for path, _, names in os.walk("."):
            if "attack_mark" in names:
                breach(f"a file is left in {path}")


def objects():
    import manim
    import numpy

    square, config = manim.Square(), manim.config
    modules = (manim, numpy, sys, builtins, os, manim.Scene)
    return {
        "a mark in a module": any(hasattr(module, "attack_mark") for module in modules),
        "a default of Square": square.side_length != 2 or "123456" in str(square.color),
        "a setting": "654321" in str(config.background_color) or config.frame_rate == 11,
        "a module": "attack_mark" in sys.modules or "/attack-mark" in sys.path,
    }


def process():
    return {
        "the environment": "ATTACK_MARK" in os.environ,
        "the signal's handler": signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, None),
        "the recursion limit": sys.getrecursionlimit() == 777,
        "the umask": os.umask(0o077) != 0o077,
        "the directory for temporary files": tempfile.gettempdir() == os.getcwd(),
    }
