"""Asks Redis for the secret over TCP."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def ask():
            with socket.create_connection(("127.0.0.1", TARGETS["redis_port"]), 2) as db:
                db.sendall(b"GET secret\r\n")
                return db.recv(200)

        attempt("GET secret", ask)
