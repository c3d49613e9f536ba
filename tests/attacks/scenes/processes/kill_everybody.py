"""Kills every process that it may, its parent, and its session."""
# expect: completed
# alone: yes
# ablation: no, without its uid and Landlock it would end this machine
import os
import signal

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in (*PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"], 1):
            attempt(f"kill {pid}", lambda: os.kill(pid, signal.SIGKILL))
        try:
            os.kill(-1, signal.SIGKILL)
        except OSError as error:
            tried(f"kill everybody: {error}")
        tried("still here")
