"""Raises its own limits and priority."""
# expect: completed
import os
import resource

from attack import *


class Attack(Trial):
    def attack(self):
        for name in ("NOFILE", "NPROC", "DATA", "FSIZE", "CORE", "MEMLOCK", "CPU", "STACK", "MSGQUEUE", "SIGPENDING"):
            which = getattr(resource, f"RLIMIT_{name}", {"MSGQUEUE": 12, "SIGPENDING": 11}.get(name))
            hard = resource.getrlimit(which)[1]
            if hard == resource.RLIM_INFINITY:
                breach(f"{name} has no limit")
                continue
            attempt(f"raise {name}", lambda: resource.setrlimit(which, (hard + 1, hard + 1)))
            attempt(f"free {name}", lambda: resource.setrlimit(which, (-1, -1)))
        attempt("be nicer to itself", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
        attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
        attempt("round robin", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
        attempt("many files", lambda: [os.dup(1) for _ in range(2000)])
