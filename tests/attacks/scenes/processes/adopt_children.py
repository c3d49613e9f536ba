"""Becomes the reaper of its descendants, so that the warden would not find them."""
# expect: completed
from attack import *


class Attack(Trial):
    def attack(self):
        forbidden("prctl", 36, 1, 0, 0, 0)
        forbidden("clone", 0x8000 | 17, 0, 0, 0, 0)  # CLONE_PARENT: a sibling
        forbidden("prctl", 59, 0, 0, 0, 0)  # syscall user dispatch
