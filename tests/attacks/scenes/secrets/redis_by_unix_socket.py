"""Asks Redis for the secret over its unix socket, which every uid may connect to."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def ask(kind):
            with socket.socket(socket.AF_UNIX, kind) as db:
                db.connect(TARGETS["redis_socket"])
                db.sendall(b"GET secret\r\n")
                return db.recv(200)

        attempt("GET secret", lambda: ask(socket.SOCK_STREAM))
        attempt("by datagram", lambda: ask(socket.SOCK_DGRAM))
        attempt("open the socket", lambda: read(TARGETS["redis_socket"]))
