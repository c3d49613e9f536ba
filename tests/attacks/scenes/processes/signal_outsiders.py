"""Signals the worker, the zygote, the neighbour and its own parent, by every call there is."""
# expect: completed
import os
import signal

from attack import *


class Attack(Trial):
    def attack(self):
        pids = [1, *PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]]
        for pid in pids + numbers(TARGETS["zygote_pids"]):
            attempt(f"kill {pid}", lambda: os.kill(pid, 0))
            attempt(f"stop group {pid}", lambda: os.kill(-pid, 0)) if pid > 1 else None
            attempt(f"pidfd {pid}", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 0))
