"""Reads what lies outside although its mode lets everybody read it, and lists directories."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for path in (TARGETS["secret"], TARGETS["private"], TARGETS["config"]):
            read_forbidden(path)
        for path in ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/etc/resolv.conf", "/root/.bashrc"):
            read_forbidden(path)
        for path in ("/", "/root", "/home", "/tmp", "/etc", "/var", "/run", "/dev", "/proc", "/sys", "..", "../.."):
            attempt(f"list {path}", lambda: os.listdir(path))
        attempt("climb", lambda: read(os.path.relpath(TARGETS["secret"])))
