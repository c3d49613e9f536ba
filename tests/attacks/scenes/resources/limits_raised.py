"""Raises its own limits, or lowers its place before the kernel's killer."""
# expect: completed
import os
import resource

from attack import *


class Attack(Trial):
    def attack(self):
        for number in range(16):
            _, hard = resource.getrlimit(number)
            if hard != resource.RLIM_INFINITY:
                attempt(f"limit {number}", lambda: resource.setrlimit(number, (hard + 1, hard + 1)))
                attempt(f"no limit {number}", lambda: resource.setrlimit(number, (hard, resource.RLIM_INFINITY)))
        attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))

        def volunteer():
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("-1000")

        attempt("oom_score_adj", volunteer)
