"""Fills the buffers of whatever sockets it has or can get: memory that no process maps."""
# expect: completed
import os
import socket
import stat

from attack import *

# Few enough for a worker that ends a job which tries too many (network/every_family has all).
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_ALG, socket.AF_VSOCK)
KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)
BLOCK = bytes(1 << 16)


def fill(descriptor):
    """Until nothing more goes in."""
    os.set_blocking(descriptor, False)
    written = 0
    try:
        while True:
            written += os.write(descriptor, BLOCK)
    except OSError:
        return written


class Attack(Trial):
    def attack(self):
        had = []
        for family in FAMILIES:
            for kind in KINDS:
                for make in (socket.socketpair, socket.socket):
                    try:
                        had.append(make(family, kind))
                    except OSError:
                        continue
        if had:
            breach(f"{len(had)} sockets could be made")
        tried(f"{len(FAMILIES)} families, {len(KINDS)} kinds: {len(had)} sockets")
        inherited = 0
        for name in os.listdir("/proc/self/fd"):
            try:
                is_socket = stat.S_ISSOCK(os.fstat(int(name)).st_mode)
            except OSError:
                continue
            if is_socket:
                inherited += 1
                breach(f"descriptor {name} is a socket, and took {fill(int(name))} bytes")
        tried(f"{inherited} inherited sockets")
