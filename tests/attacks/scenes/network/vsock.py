"""Connects to the hypervisor, and listens for it."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            attempt(f"vsock {kind}", lambda: socket.socket(40, kind))
        attempt("/dev/vsock", lambda: read("/dev/vsock"))
