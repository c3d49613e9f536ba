"""Writes nonsense where its reports go: deep JSON, endless lines, wrong types, NULs, escapes."""
# expect: completed
# tries: no, it is the outcome that shows
import os

from manim import *

WORDS = (b"[" * 50000, b'{"result":' * 5000, b"\0" * 1000, b"x" * 300000, b'{"progress": 1}', b'{"progress": {"percent": 1e999}}',
         b'{"progress": {"frames": -1e300, "percent": "x"}}', b'{"result": [1]}', b'{"result": null}', b'{"result": {"outcome": 7}}',
         b"\xff\xfe\xfd", b'{"picture": "x"}', b'{"picture": {"width": "x"}}', b"{}", b"", b"nul")  # fmt: skip


class Attack(Scene):
    def construct(self):
        for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
            try:
                if "pipe" not in os.readlink(f"/proc/self/fd/{fd}") or fd <= 2:
                    continue
            except OSError:
                continue
            for word in WORDS:
                os.write(fd, word + b"\n")
        self.wait(0.1)
