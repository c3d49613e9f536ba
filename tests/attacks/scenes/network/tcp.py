"""Connects, binds and listens by TCP, IPv4 and IPv6."""
# expect: completed
# prepare: tcp tcp6
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("IPv4", lambda: socket.create_connection(("127.0.0.1", TARGETS["tcp"]), 2))
        attempt("IPv6", lambda: socket.create_connection(("::1", TARGETS["tcp6"]), 2))
        attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
        attempt("redis", lambda: socket.create_connection(("127.0.0.1", TARGETS["redis_port"]), 2))
