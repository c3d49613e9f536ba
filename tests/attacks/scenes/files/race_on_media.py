"""Swaps files and directories of its media tree as fast as it can while it renders."""
# expect: completed
# tries: no, it is the runner that looks
import os
import threading

from manim import *


class Attack(Scene):
    def construct(self):
        stop = threading.Event()

        def swap():
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    os.makedirs(f"media/race{number % 7}/a", exist_ok=True)
                    with open(f"media/race{number % 7}/a/f", "w") as out:
                        out.write("x")
                    os.rename(f"media/race{number % 7}", f"media/swapped{number % 5}")
                except OSError:
                    pass

        threads = [threading.Thread(target=swap, daemon=True) for _ in range(3)]
        for each in threads:
            each.start()
        self.play(Create(Square()), run_time=0.5)
        stop.set()
        for each in threads:
            each.join()
