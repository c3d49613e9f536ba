"""Looks for keys in its own environment, as Python sees it and as the kernel keeps it."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        look("os.environ", repr(dict(os.environ)).encode())
        for name in os.environ:
            if any(word in name for word in ("SECRET", "TOKEN", "KEY", "REDIS", "AWS", "MANIMD")):
                breach(f"{name} is in the environment")
        try:
            look("/proc/self/environ", read("/proc/self/environ"))
        except OSError as error:
            tried(f"/proc/self/environ: {error}")
