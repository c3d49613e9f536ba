"""Runs programs that have no file: memfd, /proc/self/fd, shared memory."""
# expect: completed
# gpu: no, there it may: memfd_create
import os

from attack import *


class Attack(Trial):
    def attack(self):
        with open("/bin/true", "rb") as file:
            program = file.read()
        for flags in (0, 1, 2, 4, 8, 16):
            attempt(f"memfd {flags}", lambda: syscall("memfd_create", b"x", flags))
        attempt("secret memory", lambda: syscall("memfd_secret", 0))
        for place in ("/dev/shm", "/tmp", "/run/shm"):
            attempt(f"program in {place}", lambda: os.open(f"{place}/{TARGETS['token']}", os.O_CREAT | os.O_WRONLY, 0o700))
        fd = os.open("program", os.O_CREAT | os.O_RDWR, 0o700)
        os.write(fd, program)

        def run(path):
            if in_child(lambda: os.execv(path, ["true"])) == 0:
                return "ran"
            raise OSError("refused")

        attempt("its own file", lambda: run("./program"))
        attempt("its descriptor", lambda: run(f"/proc/self/fd/{fd}"))
