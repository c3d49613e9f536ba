"""Makes system calls without making any: io_uring."""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(256)
        forbidden("io_uring_setup", 8, room)
        for number, name in ((426, "io_uring_enter"), (427, "io_uring_register")):
            try:
                syscall(number, 0, 1, 1, 1, None, 0)
                breach(name)
            except OSError as error:
                if error.errno not in (1, 38):
                    breach(f"{name} got into the kernel: {error.strerror}")
                tried(name)
        for number, name in ((206, "io_setup"), (209, "io_submit"), (208, "io_getevents")):
            attempt(name, lambda: syscall(number, 8, room, room))
