"""Sends a datagram, which no connection announces."""
# expect: completed
# prepare: udp
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                return out.sendto(b"hello", ("127.0.0.1", TARGETS["udp"]))

        attempt("UDP", send)
        attempt("UDP lite", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136))
