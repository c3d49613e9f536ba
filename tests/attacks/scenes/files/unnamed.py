"""Makes files without a name and gives them one outside."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        try:
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            tried(f"unnamed file of its own: {error}")
            return
        os.write(fd, b"x")
        for place in (".", TARGETS["shared"], "/tmp"):
            attempt(f"link into {place}", lambda: os.link(f"/proc/self/fd/{fd}", f"{place}/{TARGETS['token']}", follow_symlinks=True))
