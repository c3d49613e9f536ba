"""Leaves by a root of its own, as one leaves a chroot."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        os.makedirs("jail", exist_ok=True)
        attempt("chroot", lambda: in_child(lambda: os.chroot("jail")), lambda status: status == 0)
        attempt("fchdir to the root", lambda: os.listdir(os.open("/", os.O_RDONLY)))
