"""Listens on an abstract unix socket, where others could find it."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def listen():
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind("\0" + TARGETS["token"])
            server.listen()
            return "listens"

        attempt("listen", listen)
        attempt("autobind", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(""))
