"""Writes a program into its directory and runs it, by name, script, descriptor and memory."""
# expect: completed
import os
import shutil
import subprocess

from attack import *


class Attack(Trial):
    def attack(self):
        shutil.copyfile("/bin/true", "program")
        fd = os.open("program", os.O_RDONLY)
        os.fchmod(fd, 0o755)
        attempt("run it", lambda: subprocess.run(["./program"], check=False))
        with open("script", "w") as out:
            out.write("#!/bin/sh\nexit 0\n")
        script = os.open("script", os.O_RDONLY)
        os.fchmod(script, 0o755)
        attempt("run a script", lambda: subprocess.run(["./script"], check=False))
        attempt("run a descriptor", lambda: subprocess.run([f"/proc/self/fd/{fd}"], pass_fds=[fd], check=False))

        def by_execveat():
            if in_child(lambda: syscall("execveat", fd, b"", (b"x", None) and None, None, 0x1000)) == 0:
                return "ran"
            raise OSError("refused")

        attempt("execveat", by_execveat)
