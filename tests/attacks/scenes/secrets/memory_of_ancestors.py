"""Reads the memory of the process that forked it, and of the zygote beyond."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in [*PARENTS, TARGETS["worker_pid"], *numbers(TARGETS["zygote_pids"])]:
            def peek():
                with open(f"/proc/{pid}/maps") as maps:
                    begin = int(maps.readline().split("-")[0], 16)
                with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                    memory.seek(begin)
                    return memory.read(16)

            attempt(f"memory of {pid}", peek)
            attempt(f"write memory of {pid}", lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
            attempt(f"mapped files of {pid}", lambda: os.listdir(f"/proc/{pid}/map_files"))
            attempt(f"page map of {pid}", lambda: os.open(f"/proc/{pid}/pagemap", os.O_RDONLY))
