"""The kernel's own memory for a process: sockets' buffers, locks on bytes, watches on descriptors."""
# expect: completed
import errno
import fcntl
import os
import select
import socket
import struct

from attack import *

MANY = 2000
OFD_SETLK = 37


class Attack(Trial):
    def attack(self):
        for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
            attempt(f"a socket of family {family}", lambda: socket.socket(family, socket.SOCK_DGRAM))
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            attempt(f"a pair of kind {kind}", lambda: socket.socketpair(socket.AF_UNIX, kind))
        file = os.open("locked", os.O_RDWR | os.O_CREAT, 0o600)
        for command in (fcntl.F_SETLK, fcntl.F_SETLKW, OFD_SETLK):
            taken = 0
            for at in range(0, 2 * MANY, 2):
                one = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
                try:
                    fcntl.fcntl(file, command, one)
                    taken += 1
                except OSError as error:
                    if error.errno != errno.ENOLCK:
                        raise
            if taken:
                breach(f"{taken} locks by fcntl {command}")
            tried(f"fcntl {command}: {taken} locks")
        fcntl.flock(file, fcntl.LOCK_EX)  # one a file: it may
        attempt("a set of watched descriptors", select.epoll)
