"""Changes limits, places, priorities and schedulers of others."""
# expect: completed
import os
import resource

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in (*PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]):
            attempt(f"limits of {pid}", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, 8)))
            attempt(f"read limits of {pid}", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE))
            attempt(f"pin {pid}", lambda: os.sched_setaffinity(pid, {0}))
            attempt(f"nice {pid}", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
            attempt(f"nice the group of {pid}", lambda: os.setpriority(os.PRIO_PGRP, pid, 19))
            attempt(f"idle {pid}", lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
            forbidden("ioprio_set", 1, pid, 3 << 13)
            forbidden("sched_setattr", pid, None, 0)
