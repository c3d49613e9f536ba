"""Makes itself the last that the kernel would kill, and its parent the first."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in ("self", os.getpid(), *PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]):
            for name in ("oom_score_adj", "oom_adj", "comm", "timerslack_ns", "coredump_filter", "clear_refs", "autogroup", "loginuid"):
                if name == "comm" and pid in ("self", os.getpid()):
                    continue  # its own name is its own
                attempt(f"/proc/{pid}/{name}", lambda: os.open(f"/proc/{pid}/{name}", os.O_WRONLY))
