"""Looks at every open descriptor: no directory, socket, or file of somebody else."""
# expect: completed
import fcntl
import os
import stat

from attack import *

KINDS = {stat.S_IFDIR: "directory", stat.S_IFSOCK: "socket", stat.S_IFBLK: "disk"}
O_PATH = 0x200000


class Attack(Trial):
    def attack(self):
        for fd in range(0, 4096):
            try:
                found = os.fstat(fd)
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            except OSError:
                continue
            where = os.readlink(f"/proc/self/fd/{fd}") if fd > 2 else ""
            kind = KINDS.get(stat.S_IFMT(found.st_mode))
            if kind:
                breach(f"descriptor {fd} is a {kind}: {where}")
            elif flags & O_PATH:
                breach(f"descriptor {fd} is a path: {where}")
            elif stat.S_ISREG(found.st_mode) and "memfd:" not in where and not where.startswith(os.getcwd()) and fd > 2:
                if flags & os.O_ACCMODE != os.O_RDONLY or found.st_uid not in (0, os.getuid()):
                    breach(f"descriptor {fd} is {where}")
            tried(f"descriptor {fd}")
