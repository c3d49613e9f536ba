"""Asks for a socket of every family, type and by raw call: none may be had."""
# expect: completed
from attack import *

STREAM, DGRAM, RAW, SEQPACKET = 1, 2, 3, 5


class Attack(Trial):
    def attack(self):
        for family in range(0, 46):
            for kind in (STREAM, DGRAM, RAW, SEQPACKET):
                forbidden("socket", family, kind, 0)
            forbidden("socketpair", family, STREAM, 0, None)
