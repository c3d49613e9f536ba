"""Plants code for the next job in the interpreter, its packages, the harness and the programs."""
# expect: completed
# ablation: no, as root it would change this machine
import os
import sys

from attack import *


class Attack(Trial):
    def attack(self):
        import manim
        import numpy

        token = TARGETS["token"]
        harness = next((m.__file__ for n, m in sys.modules.items() if n.startswith("_manimd") and getattr(m, "__file__", None)), sys.executable)
        for place in (sys.prefix, os.path.dirname(manim.__file__), os.path.dirname(numpy.__file__), os.path.dirname(harness),
                      os.path.dirname(os.__file__), "/usr/lib", "/usr/local/lib", "/usr/bin", "/usr/share/fonts"):  # fmt: skip
            attempt(f"create in {place}", lambda: os.open(f"{place}/{token}.pth", os.O_CREAT | os.O_WRONLY))
        for path in (manim.__file__, numpy.__file__, harness, sys.executable, os.__file__, "/bin/sh", "/usr/bin/latex"):
            attempt(f"write {path}", lambda: os.open(path, os.O_WRONLY))
            attempt(f"remove {path}", lambda: os.rename(path, path + ".x"))
            attempt(f"chmod {path}", lambda: os.chmod(path, os.stat(path).st_mode & 0o7777))
