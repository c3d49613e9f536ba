"""Says that it was the host's fault, so that it is run again and again."""
# expect: scene_error output_missing
# tries: no, it is the outcome that shows
import json
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for outcome in ("host_error", "sandbox_setup", "worker_lost", "store_failed", "cancelled", "expired"):
            for fd in map(int, os.listdir("/proc/self/fd")):
                try:
                    if "pipe" in os.readlink(f"/proc/self/fd/{fd}"):
                        os.write(fd, json.dumps({"result": {"outcome": outcome, "error": {"message": "it was you"}}}).encode() + b"\n")
                except OSError:
                    pass
        os._exit(3)
