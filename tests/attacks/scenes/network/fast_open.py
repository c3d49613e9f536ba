"""Connects by sending: MSG_FASTOPEN, which asks for no connect()."""
# expect: completed
# prepare: tcp
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as out:
                return out.sendto(b"GET", 0x20000000, ("127.0.0.1", TARGETS["tcp"]))

        attempt("fast open", send)

        def later():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as out:
                out.setsockopt(socket.IPPROTO_TCP, 30, 1)
                out.connect(("127.0.0.1", TARGETS["tcp"]))
                return out.send(b"GET")

        attempt("fast open, deferred", later)
