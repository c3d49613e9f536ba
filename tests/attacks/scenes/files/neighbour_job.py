"""Reads and changes the directory of a job that runs beside it."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        there = TARGETS["neighbour_dir"]
        attempt("list", lambda: os.listdir(there))
        its, above = os.path.dirname(there), os.path.dirname(os.path.dirname(there))
        # In a mount namespace the way to our own is there, with nothing beside it.
        attempt("list the attempts", lambda: os.listdir(above), lambda names: os.path.basename(its) in names)
        for name in ("secret", "../job.json", "../log", "../out", "scene.py"):
            read_forbidden(f"{there}/{name}")
        attempt("write", lambda: os.open(f"{there}/planted", os.O_CREAT | os.O_WRONLY))
        attempt("remove", lambda: os.unlink(f"{there}/secret"))
        attempt("move", lambda: os.rename(there, there + "x"))
