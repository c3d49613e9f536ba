"""A file larger than the limit, all of it a hole."""
# expect: completed
# job: disk_mb=64
import os

from attack import *


class Attack(Trial):
    def attack(self):
        with open("hole", "wb") as file:
            attempt("truncate", lambda: file.truncate(1 << 40))
            attempt("fallocate", lambda: os.posix_fallocate(file.fileno(), 0, 1 << 36))
