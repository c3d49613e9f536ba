"""Walks over every process number and reads all that /proc has of each."""
# expect: completed
import os

from attack import *

FILES = ("environ", "cmdline", "mem", "maps", "smaps", "io", "status", "limits", "cgroup", "mountinfo", "syscall",
         "stack", "wchan", "timers", "net/tcp", "net/unix", "auxv", "attr/current", "personality", "pagemap")  # fmt: skip


class Attack(Trial):
    def attack(self):
        mine = {os.getpid(), *(int(t) for t in os.listdir("/proc/self/task"))} if os.path.exists("/x") else {os.getpid()}
        held = 0
        for pid in range(1, max(mine) + 400):
            for name in FILES if pid not in mine else ():
                try:
                    data = read(f"/proc/{pid}/{name}", 4096)
                except OSError:
                    held += 1
                else:
                    breach(f"/proc/{pid}/{name}: {len(data)} bytes")
                    break
        tried(f"{held} files of processes")
