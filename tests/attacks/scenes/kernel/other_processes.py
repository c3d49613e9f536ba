"""Compares, borrows and advises what belongs to other processes."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for pid in (*PARENTS, TARGETS["worker_pid"], TARGETS["neighbour_pid"], TARGETS["outsider_pid"]):
            forbidden("kcmp", pid, os.getpid(), 0, 0, 0)
            fd = attempt(f"pidfd of {pid}", lambda: syscall("pidfd_open", pid, 0), lambda _: False)
            forbidden("pidfd_getfd", fd if fd is not None else -1, 0, 0)
            forbidden("process_madvise", fd if fd is not None else -1, None, 0, 4, 0)
            forbidden("process_mrelease", fd if fd is not None else -1, 0)
            forbidden("setns", fd if fd is not None else -1, 0x40000000)
            forbidden("move_pages", pid, 0, None, None, None, 0)
            forbidden("migrate_pages", pid, 0, None, None)
            if fd is not None:
                attempt(f"signal by pidfd {pid}", lambda: syscall("pidfd_send_signal", fd, 0, None, 0))
