"""Attaches to the worker, the zygote, the neighbour and its parent; reads and writes their memory."""
# expect: completed
import ctypes
import os

from attack import *

ATTACH, SEIZE, TRACEME = 16, 0x4206, 0


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(64)
        here = (ctypes.c_void_p * 2)(ctypes.addressof(room), 64)
        pids = [*PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]]
        for pid in pids + numbers(TARGETS["zygote_pids"]):
            forbidden("ptrace", SEIZE, pid, 0, 0)
            forbidden("process_vm_readv", pid, here, 1, here, 1, 0)
            forbidden("process_vm_writev", pid, here, 1, here, 1, 0)
            for name in ("mem", "maps", "stat", "cmdline", "root", "cwd", "fd", "task", "auxv", "stack"):
                attempt(f"/proc/{pid}/{name}", lambda: os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        forbidden("ptrace", ATTACH, TARGETS["outsider_pid"], 0, 0)
        forbidden("ptrace", TRACEME, 0, 0, 0)
