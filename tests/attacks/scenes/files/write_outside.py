"""Writes, truncates, removes and renames what lies outside and would let everybody."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        writable, shared, token = TARGETS["writable"], TARGETS["shared"], TARGETS["token"]
        attempt("open for writing", lambda: os.open(writable, os.O_WRONLY))
        attempt("append", lambda: os.open(writable, os.O_WRONLY | os.O_APPEND))
        attempt("truncate", lambda: os.truncate(writable, 0))
        attempt("remove", lambda: os.unlink(writable))
        attempt("create", lambda: os.open(f"{shared}/new", os.O_WRONLY | os.O_CREAT, 0o600))
        attempt("make a directory", lambda: os.mkdir(f"{shared}/new.d"))
        open("mine", "w").close()
        attempt("rename into", lambda: os.rename("mine", f"{shared}/moved"))
        attempt("unnamed file", lambda: os.open(shared, os.O_TMPFILE | os.O_WRONLY, 0o600))
        for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue", "/"):
            attempt(f"create in {place}", lambda: os.open(f"{place}/{token}", os.O_WRONLY | os.O_CREAT, 0o600))
