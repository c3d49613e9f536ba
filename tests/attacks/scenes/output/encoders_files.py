"""Puts a file of its own where the encoder's outputs are."""
# expect: completed
# levels: standard strong
import os

from attack import *


class Attack(Trial):
    def attack(self):
        out = os.path.join(os.path.dirname(os.environ["HOME"].rstrip("/")), "out")
        for name in ("scene.mp4", "scene.mp4.part", "other"):
            attempt(name, lambda: os.open(os.path.join(out, name), os.O_CREAT | os.O_WRONLY))
        attempt("list", lambda: os.listdir(out))
        attempt("rename", lambda: os.rename(out, out + "2"))
        attempt("render.json", lambda: open(os.path.join(out, "../render.json"), "w"))
