"""Stops (SIGSTOP) and wakes others, and sends them timers' and queued signals."""
# expect: completed
# alone: yes
# ablation: no, without its uid and Landlock it would stop this machine
import os
import signal

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in (*PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]):
            for signo in (signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                attempt(f"{signo.name} to {pid}", lambda: os.kill(pid, signo))
        try:
            os.kill(-1, signal.SIGCONT)
        except OSError as error:
            tried(f"wake everybody: {error}")
