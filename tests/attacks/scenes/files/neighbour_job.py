"""Reads and changes the directory of a job that runs beside it."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        there = TARGETS["neighbour_dir"]
        attempt("list", lambda: os.listdir(there))
        attempt("list the attempts", lambda: os.listdir(os.path.dirname(os.path.dirname(there))))
        for name in ("secret", "../job.json", "../log", "../out", "scene.py"):
            read_forbidden(f"{there}/{name}")
        attempt("write", lambda: os.open(f"{there}/planted", os.O_CREAT | os.O_WRONLY))
        attempt("remove", lambda: os.unlink(f"{there}/secret"))
        attempt("move", lambda: os.rename(there, there + "x"))
