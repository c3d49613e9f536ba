"""Starts programs and looks whether they are given more than it was."""
# expect: completed
import subprocess
import sys

from attack import *


class Attack(Trial):
    def attack(self):
        for command in (["env"], ["sh", "-c", "set; ps aux; cat /proc/*/environ"], [sys.executable, "-c", "import os; print(os.environ)"]):
            done = subprocess.run(command, capture_output=True)
            look(" ".join(command)[:40], done.stdout + done.stderr)
