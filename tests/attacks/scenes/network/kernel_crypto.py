"""Asks the kernel to compute (AF_ALG), through which page caches were written."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def digest():
            with socket.socket(38, socket.SOCK_SEQPACKET, 0) as out:
                out.bind(("hash", "sha256"))
                return "bound"

        attempt("AF_ALG", digest)
        attempt("AF_KEY", lambda: socket.socket(15, socket.SOCK_RAW, 2))
        attempt("AF_RDS", lambda: socket.socket(21, socket.SOCK_SEQPACKET, 0))
        attempt("AF_CAN", lambda: socket.socket(29, socket.SOCK_RAW, 1))
        attempt("AF_BLUETOOTH", lambda: socket.socket(31, socket.SOCK_RAW, 1))
