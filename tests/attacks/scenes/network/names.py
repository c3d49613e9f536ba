"""Has names resolved, which asks a server by UDP."""
# expect: completed
# ablation: no, it would send packets out of this machine
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for name in ("example.com", "metadata.google.internal", "1.0.0.127.in-addr.arpa"):
            attempt(f"resolve {name}", lambda: socket.getaddrinfo(name, 80))
        attempt("reverse", lambda: socket.gethostbyaddr("1.1.1.1"))
