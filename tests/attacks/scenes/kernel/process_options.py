"""Sets options of its process that hide it, or open it to others."""
# expect: completed
from attack import *

OPTIONS = {"PR_SET_DUMPABLE": 4, "PR_SET_PTRACER": 0x59616D61, "PR_SET_MM": 35, "PR_SET_TSC": 26, "PR_SET_TIMING": 14, "PR_MCE_KILL": 33,
           "PR_TASK_PERF_EVENTS_DISABLE": 31, "PR_SET_THP_DISABLE": 41, "PR_SET_SPECULATION_CTRL": 53, "PR_SET_IO_FLUSHER": 57,
           "PR_SCHED_CORE": 62, "PR_SET_MDWE": 65, "PR_SET_MEMORY_MERGE": 67, "PR_SET_TIMERSLACK": 29, "PR_SET_UNALIGN": 6}  # fmt: skip


class Attack(Trial):
    def attack(self):
        for name, option in OPTIONS.items():
            forbidden("prctl", option, 0, 0, 0, 0)
            tried(name)
        forbidden("personality", 0x0040000)
        forbidden("personality", 0x0400000)
