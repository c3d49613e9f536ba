"""Writes random bytes over the memory that its frames go through, while they are read."""
# expect: output_invalid completed crashed time_limit output_missing scene_error
# job: timeout_s=10
# tries: no, it is the outcome that shows
import ctypes
import random
import threading

from manim import *


def shared_memory():
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "memfd" in line and line.split()[1].startswith("rw"):
                return [int(x, 16) for x in line.split()[0].split("-")]
    raise RuntimeError("no ring")


class Attack(Scene):
    def construct(self):
        begin, end = shared_memory()
        stop = threading.Event()

        def scribble():
            chance = random.Random(7)
            while not stop.is_set():
                at = begin + chance.randrange(min(end - begin - 8, 1 << 16))
                ctypes.memmove(at, chance.randbytes(8), 8)

        thread = threading.Thread(target=scribble, daemon=True)
        thread.start()
        self.play(Create(Square()), run_time=0.4)
        stop.set()
