"""Reads the environment of the worker, the zygote, the neighbour, pid 1 and all that it finds."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        pids = [1, *PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]]
        for pid in pids + numbers(TARGETS["zygote_pids"]):
            read_forbidden(f"/proc/{pid}/environ")
        attempt("list /proc", lambda: os.listdir("/proc"))
