"""Leaves shared memory, semaphores and queues that outlive it."""
# expect: completed
from attack import *

IPC_CREAT, KEY = 0o1000, 0x61747461


class Attack(Trial):
    def attack(self):
        forbidden("shmget", KEY, 4096, IPC_CREAT | 0o666)
        forbidden("semget", KEY, 1, IPC_CREAT | 0o666)
        forbidden("msgget", KEY, IPC_CREAT | 0o666)
        forbidden("mq_open", b"attack", 0o102, 0o666, None)
        forbidden("mq_unlink", b"attack")
