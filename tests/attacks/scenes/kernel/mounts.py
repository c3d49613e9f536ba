"""Mounts, binds, moves and unmounts, by the old calls and the new."""
# expect: completed
import ctypes

from attack import *

BIND, REMOUNT, PRIVATE, REC, MOVE = 4096, 32, 1 << 18, 16384, 8192


class Attack(Trial):
    def attack(self):
        here = b"."
        forbidden("mount", b"tmpfs", here, b"tmpfs", 0, None)
        forbidden("mount", b"proc", here, b"proc", 0, None)
        forbidden("mount", b"/", here, None, BIND | REC, None)
        forbidden("mount", None, b"/", None, PRIVATE | REC, None)
        forbidden("mount", None, b"/", None, REMOUNT | BIND, None)
        forbidden("umount2", here, 2)
        forbidden("pivot_root", here, here)
        forbidden("chroot", here)
        forbidden("open_tree", -100, b"/", 1)
        forbidden("move_mount", -100, here, -100, here, 0)
        forbidden("fsopen", b"tmpfs", 0)
        forbidden("fsmount", 0, 0, 0)
        forbidden("fspick", -100, b"/", 0)
        forbidden("mount_setattr", -100, here, 0, ctypes.create_string_buffer(32), 32)
        forbidden("open_tree_attr", -100, b"/", 1, ctypes.create_string_buffer(32), 32)
