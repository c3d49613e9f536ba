"""Makes devices, FIFOs and sockets in its directory."""
# expect: completed
import os
import stat

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("FIFO", lambda: os.mkfifo("fifo"))
        attempt("null device", lambda: os.mknod("null", stat.S_IFCHR | 0o600, os.makedev(1, 3)))
        attempt("memory device", lambda: os.mknod("mem", stat.S_IFCHR | 0o600, os.makedev(1, 1)))
        attempt("disk", lambda: os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)))
        attempt("socket", lambda: os.mknod("sock", stat.S_IFSOCK | 0o600))
        attempt("regular by mknod", lambda: os.mknod("file", stat.S_IFREG | 0o600))
