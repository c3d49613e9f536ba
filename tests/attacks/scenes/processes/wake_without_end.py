"""Rings the encoder's bell without end, and takes its own away."""
# expect: completed time_limit output_invalid
# job: timeout_s=10
# tries: no, it is the outcome that shows
import os
import threading

from manim import *


class Attack(Scene):
    def construct(self):
        bells = []
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if "eventfd" in os.readlink(f"/proc/self/fd/{fd}"):
                    bells.append(fd)
            except OSError:
                pass
        for fd in bells:
            os.set_blocking(fd, False)
        stop = threading.Event()

        def ring():
            while not stop.is_set():
                for fd in bells:
                    for act in (lambda: os.write(fd, (1 << 40).to_bytes(8, "little")), lambda: os.read(fd, 8)):
                        try:
                            act()
                        except OSError:
                            pass

        threading.Thread(target=ring, daemon=True).start()
        self.play(Create(Square()), run_time=0.3)
        stop.set()
