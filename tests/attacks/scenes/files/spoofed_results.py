"""Writes what the stages write: render.json, store.json, the log."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        above = os.path.dirname(os.getcwd())
        for name in ("render.json", "store.json", "fetch.json", "job.json", "log", "out/scene.mp4"):
            attempt(f"write {name}", lambda: os.open(f"{above}/{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
        for name in ("render.json", "scene.mp4", "log"):  # its own ones mean nothing
            with open(name, "w") as out:
                out.write('{"outcome": "host_error"}')
        tried("the same names in its own directory")
