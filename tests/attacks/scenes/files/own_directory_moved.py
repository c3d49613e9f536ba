"""Moves and removes the directory that it works in, and what stands beside it."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        here = os.getcwd()
        above = os.path.dirname(here)
        attempt("rename it", lambda: os.rename(here, f"{above}/elsewhere"))
        attempt("remove it", lambda: os.rmdir(here))
        attempt("rename the one above", lambda: os.rename(above, f"{above}.x"))
        for name in ("out", "log", "job.json", "render.json", "scene"):
            attempt(f"rename {name}", lambda: os.rename(f"{above}/{name}", f"{above}/{name}.x"))
            attempt(f"replace {name}", lambda: os.rename("media", f"{above}/{name}") if os.path.isdir("media") else read(f"{above}/{name}"))
