"""Connects to an abstract unix socket outside."""
# expect: completed
# prepare: abstract
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def connect():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
                out.connect("\0" + TARGETS["abstract"])
                return "connected"

        attempt("connect", connect)
