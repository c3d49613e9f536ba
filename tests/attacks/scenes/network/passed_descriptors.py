"""Receives and asks for descriptors over those that it has: SCM_RIGHTS, pidfd_getfd, recvmsg."""
# expect: completed
import array
import os
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                sock = socket.socket(fileno=os.dup(fd))
            except OSError as error:
                tried(f"{fd}: {error}")
                continue
            breach(f"{fd} is a socket")
            attempt(f"receive on {fd}", lambda: sock.recvmsg(10, socket.CMSG_SPACE(array.array("i").itemsize), socket.MSG_DONTWAIT))
        for pid in (TARGETS["worker_pid"], *PARENTS, TARGETS["neighbour_pid"]):
            attempt(f"pidfd of {pid}", lambda: syscall("pidfd_getfd", os.pidfd_open(pid), 0, 0))
