"""Reads, plants and swaps files where the encoder writes the video."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        out = os.path.join(os.path.dirname(os.getcwd()), "out")
        attempt("list", lambda: os.listdir(out))
        for name in ("scene.mp4", "frame.png", "planted"):
            attempt(f"write {name}", lambda: os.open(f"{out}/{name}", os.O_CREAT | os.O_WRONLY))
            attempt(f"read {name}", lambda: read(f"{out}/{name}"))
            attempt(f"remove {name}", lambda: os.unlink(f"{out}/{name}"))
        attempt("chmod", lambda: os.chmod(out, 0o777))
