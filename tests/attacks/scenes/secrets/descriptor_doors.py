"""Goes through /proc/self/fd to open again, for more, what it was given for less."""
# expect: completed
import os
import stat

from attack import *


class Attack(Trial):
    def attack(self):
        for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
            path = f"/proc/self/fd/{fd}"
            try:
                mode = os.fstat(fd).st_mode
            except OSError:
                continue
            if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or "memfd" in os.readlink(path) or "anon_inode" in os.readlink(path):
                tried(f"{fd} is its own")
                continue
            attempt(f"open {fd} for writing", lambda: os.open(path, os.O_WRONLY))
            attempt(f"list beyond {fd}", lambda: os.listdir(f"{path}/.."))
        attempt("open the program for writing", lambda: os.open("/proc/self/exe", os.O_WRONLY))
        attempt("its root", lambda: os.listdir("/proc/self/root"))
