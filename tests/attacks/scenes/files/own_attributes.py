"""Gives its own files rights that nobody should have from it: set-id, labels, flags, owners."""
# expect: completed
import fcntl
import os
import struct

from attack import *

FS_IOC_SETFLAGS, IMMUTABLE, APPEND = 0x40086602, 0x10, 0x20
FS_IOC_FSSETXATTR = 0x401C5820


class Attack(Trial):
    def attack(self):
        fd = os.open("mine", os.O_CREAT | os.O_RDWR, 0o600)
        for name in ("user.x", "security.capability", "trusted.x", "system.posix_acl_access"):
            attempt(f"label {name}", lambda: os.setxattr("mine", name, b"x"))
        for flag in (IMMUTABLE, APPEND):
            attempt(f"flag {flag:#x}", lambda: fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", flag)))
        attempt("project", lambda: fcntl.ioctl(fd, FS_IOC_FSSETXATTR, bytes(28)))
        attempt("give it to root", lambda: os.chown("mine", 0, 0))
        attempt("give it away by descriptor", lambda: os.fchown(fd, 0, 0))
        attempt("lease", lambda: fcntl.fcntl(fd, 1024, fcntl.F_WRLCK) if os.getuid() == 0 else read("/etc/passwd"))
