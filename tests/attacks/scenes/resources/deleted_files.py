"""Files without a name, still open or mapped: no walk of the directory finds them."""
# expect: disk_limit
# job: disk_mb=64 timeout_s=30
# tries: no
import mmap
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        held = []
        for n in range(200):
            file = open("f", "w+b")
            os.unlink("f")
            file.write(b"x" * (1 << 20))
            file.flush()
            held.append(mmap.mmap(file.fileno(), 0) if n % 2 else file)
        time.sleep(100)
