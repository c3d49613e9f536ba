"""Talks to the kernel's own protocols: routes, audit, netfilter, generic."""
# expect: completed
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        for protocol in range(0, 23):
            for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
                attempt(f"netlink {protocol}", lambda: socket.socket(socket.AF_NETLINK, kind, protocol))
        attempt("names of interfaces", socket.if_nameindex)
