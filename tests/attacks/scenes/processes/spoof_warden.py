"""Speaks as the warden would: sealed, exit, empty, setup failed."""
# expect: completed
# tries: no, it is the outcome that shows
import json
import os

from manim import *

WORDS = ({"sealed": 1}, {"exit": 0}, {"empty": True}, {"setup_failed": "spoofed"}, {"warden": 1}, {"reaped_cpu_ms": 1 << 40},
         {"about": {"render_path": "spoofed"}}, {"error": {"outcome": "host_error"}}, {"done": True})  # fmt: skip


class Attack(Scene):
    def construct(self):
        for word in WORDS:
            for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
                try:
                    if "pipe" in os.readlink(f"/proc/self/fd/{fd}") and fd > 2:
                        os.write(fd, json.dumps(word).encode() + b"\n")
                except OSError:
                    pass
        self.wait(0.1)
