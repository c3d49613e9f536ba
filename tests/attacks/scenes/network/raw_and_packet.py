"""Opens raw, ping and packet sockets."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_RAW, socket.IPPROTO_TCP):
            attempt(f"raw {protocol}", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))
        attempt("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
        attempt("ping6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, 58))
        for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_PACKET if hasattr(socket, "SOCK_PACKET") else 10):
            attempt(f"packet {kind}", lambda: socket.socket(17, kind, 0x300))
        attempt("XDP", lambda: socket.socket(44, socket.SOCK_RAW))
