"""Makes pairs of sockets, whose buffers are the kernel's memory."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            attempt(f"pair {kind}", lambda: socket.socketpair(socket.AF_UNIX, kind))
        attempt("TIPC pair", lambda: socket.socketpair(30, socket.SOCK_STREAM))
