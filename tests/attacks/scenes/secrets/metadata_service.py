"""Asks the clouds' metadata services for credentials."""
# expect: completed
# ablation: no, it would send packets out of this machine
import socket
import urllib.request

from attack import *


class Attack(Trial):
    def attack(self):
        for host in ("169.254.169.254", "169.254.170.2", "100.100.100.200"):
            attempt(f"connect to {host}", lambda: socket.create_connection((host, 80), 1))
            attempt(f"fetch from {host}", lambda: urllib.request.urlopen(f"http://{host}/latest/", timeout=1))
        attempt("IPv6", lambda: socket.create_connection(("fd00:ec2::254", 80), 1))
