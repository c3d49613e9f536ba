"""Maps files that it may read, to write through the mapping."""
# expect: completed
# prepare: files
import mmap
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for path in (os.__file__, TARGETS["writable"], "/etc/ld.so.cache"):
            def write():
                fd = os.open(path, os.O_RDONLY)
                with mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as at:
                    at[0:1] = at[0:1]
                    return "mapped"

            attempt(f"map {path}", write)
