"""Floods the pipe of its reports."""
# expect: log_limit
# job: timeout_s=30
# tries: no, it does not live to
import os

from manim import *


class Attack(Scene):
    def construct(self):
        fds = []
        for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
            try:
                if "pipe" in os.readlink(f"/proc/self/fd/{fd}") and fd > 2:
                    fds.append(fd)
            except OSError:
                pass
        while True:
            for fd in fds:
                os.write(fd, b'{"progress": {"percent": 1, "frames": 1, "play": 1}}\n' * 100)
