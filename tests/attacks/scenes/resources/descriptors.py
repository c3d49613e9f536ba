"""Opens what it can of files, pipes, timers, watches: it is told where the end is."""
# expect: completed
import os
import select

from attack import *


class Attack(Trial):
    def attack(self):
        makers = {
            "files": lambda: os.open("/dev/null", os.O_RDONLY),
            "pipes": lambda: os.pipe(),
            "epoll": lambda: select.epoll(),
            "events": lambda: os.eventfd(0),
        }
        for name, make in makers.items():
            held = []
            try:
                while len(held) < 5000:
                    held.append(make())
                breach(f"{len(held)} {name}")
            except OSError as error:
                tried(f"{len(held)} {name}: {error}")
            for each in held:
                if hasattr(each, "close"):
                    each.close()
                else:
                    for fd in each if isinstance(each, tuple) else (each,):
                        os.close(fd)
