"""Keeps a path descriptor of what lies outside and goes on from it."""
# expect: completed
# prepare: files
import os

from attack import *

O_PATH = 0x200000


class Attack(Trial):
    def attack(self):
        there = os.path.dirname(TARGETS["secret"])
        for what, path in (("root", "/"), ("outside", there), ("above", "../.."), ("proc", "/proc")):
            try:
                fd = os.open(path, O_PATH | os.O_DIRECTORY)
            except OSError as error:
                tried(f"{what}: {error}")
                continue
            attempt(f"list {what}", lambda: os.listdir(fd))
            attempt(f"read beneath {what}", lambda: os.open("secret" if what == "outside" else "etc/passwd", os.O_RDONLY, dir_fd=fd))
            attempt(f"create beneath {what}", lambda: os.open(TARGETS["token"], os.O_CREAT | os.O_WRONLY, dir_fd=fd))
            attempt(f"open it again, {what}", lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
        here = os.getcwd()
        try:
            os.chdir(there)
            attempt("read where it went", lambda: read("secret"))
            attempt("write where it went", lambda: os.open("writable", os.O_WRONLY))
            attempt("list where it went", lambda: os.listdir("."))
        except OSError as error:
            tried(f"go there: {error}")
        os.chdir(here)
