"""Makes links out of its directory, for whoever reads its files later to follow."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        secret = TARGETS["secret"]
        attempt("symbolic link", lambda: os.symlink(secret, "link"))
        attempt("hard link", lambda: os.link(secret, "hard"))
        open("mine", "w").close()
        attempt("hard link of one's own", lambda: os.link("mine", "mine2"))
        attempt("link a descriptor", lambda: os.link("/proc/self/fd/1", "fd", follow_symlinks=True))
        for name in ("link", "hard", "fd"):
            attempt(f"read {name}", lambda: read(name))
