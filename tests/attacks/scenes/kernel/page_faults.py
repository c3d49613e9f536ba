"""Takes the kernel's page faults into its own hands."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for flags in (0, 1, os.O_CLOEXEC, os.O_NONBLOCK | 1):
            forbidden("userfaultfd", flags)
        attempt("/dev/userfaultfd", lambda: os.open("/dev/userfaultfd", os.O_RDWR))
        attempt("/dev/fuse", lambda: os.open("/dev/fuse", os.O_RDWR))
