"""Reads what Redis has written to disk, in a directory that is open to all."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        there = os.path.dirname(TARGETS["redis_socket"])
        attempt("list", lambda: os.listdir(there))
        for name in ("log", "dump.rdb", "appendonlydir", "appendonlydir/appendonly.aof.1.incr.aof"):
            attempt(name, lambda: read(f"{there}/{name}"))
        attempt("plant a file", lambda: os.open(f"{there}/planted", os.O_CREAT | os.O_WRONLY))
