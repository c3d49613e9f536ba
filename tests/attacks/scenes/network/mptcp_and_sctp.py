"""Connects by protocols that Landlock's TCP rule does not see: MPTCP, SCTP, DCCP, SMC."""
# expect: completed
# prepare: tcp
import socket

from attack import *

PROTOCOLS = {"MPTCP": 262, "SCTP": 132, "UDP-Lite": 136, "DCCP": 33, "L2TP": 115}


class Attack(Trial):
    def attack(self):
        def connect(family, kind, protocol):
            with socket.socket(family, kind, protocol) as out:
                out.settimeout(2)
                out.connect(("127.0.0.1", TARGETS["tcp"]))
                return "connected"

        for name, protocol in PROTOCOLS.items():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
                attempt(f"{name} {kind}", lambda: connect(socket.AF_INET, kind, protocol))
        attempt("SMC", lambda: connect(43, socket.SOCK_STREAM, 0))
