"""Exchanges its files with those outside, and leaves whiteouts."""
# expect: completed
# prepare: files
import os

from attack import *

RENAMEAT2, EXCHANGE, WHITEOUT, NOREPLACE, AT_FDCWD = 316, 2, 4, 1, -100


class Attack(Trial):
    def attack(self):
        open("mine", "w").close()
        for path in (TARGETS["writable"], f"{TARGETS['shared']}/new", TARGETS["secret"]):
            for flags in (EXCHANGE, NOREPLACE, 0):
                attempt(f"rename {flags} {path}", lambda: syscall(RENAMEAT2, AT_FDCWD, b"mine", AT_FDCWD, path.encode(), flags))
                attempt(f"rename {flags} from {path}", lambda: syscall(RENAMEAT2, AT_FDCWD, path.encode(), AT_FDCWD, b"got", flags))
        attempt("whiteout", lambda: syscall(RENAMEAT2, AT_FDCWD, b"mine", AT_FDCWD, b"mine2", WHITEOUT))
