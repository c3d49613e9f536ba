"""Sends a datagram to an abstract unix socket outside."""
# expect: completed
# prepare: abstract_dgram
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def send():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                return out.sendto(b"hello", "\0" + TARGETS["abstract_dgram"])

        attempt("send", send)
