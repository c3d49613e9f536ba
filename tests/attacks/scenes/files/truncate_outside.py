"""Makes files outside empty, by name, by open, by descriptor and by fallocate."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        path = TARGETS["writable"]
        attempt("truncate", lambda: os.truncate(path, 0))
        attempt("O_TRUNC", lambda: os.open(path, os.O_RDONLY | os.O_TRUNC))
        attempt("O_TRUNC by O_RDWR", lambda: os.open(path, os.O_RDWR | os.O_TRUNC))
        attempt("creat", lambda: os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC))

        def by_descriptor():
            fd = os.open(path, os.O_RDONLY)
            os.ftruncate(fd, 0)

        attempt("ftruncate", by_descriptor)
        attempt("punch a hole", lambda: os.posix_fallocate(os.open(path, os.O_WRONLY), 0, 1 << 20))
