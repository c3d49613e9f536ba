"""Has the kernel tell what others do with files: inotify, fanotify, dnotify, leases."""
# expect: completed
import fcntl
import os

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("inotify", lambda: syscall(294, 0))
        attempt("inotify, old", lambda: syscall(253))
        forbidden("fanotify_init", 0, 0)
        fd = os.open("/usr/lib", os.O_RDONLY)
        attempt("dnotify", lambda: fcntl.fcntl(fd, 1026, 0x8000001F), lambda _: False)
        shared = os.open(os.__file__, os.O_RDONLY)
        attempt("lease", lambda: fcntl.fcntl(shared, 1024, fcntl.F_RDLCK)) if os.stat(os.__file__).st_uid != os.getuid() else tried("its own")
        attempt("lock for writing", lambda: fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB))
