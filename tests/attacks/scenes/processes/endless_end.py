"""Is done, says so, and does not end: exit handlers, threads and a patched os._exit."""
# expect: scene_error
# tries: no, it is the outcome that shows
import atexit
import os
import threading
import time

from manim import *


def never(*_):
    while True:
        time.sleep(0.1)


class Attack(Scene):
    def construct(self):
        atexit.register(never)
        threading.Thread(target=never).start()
        self.wait(0.1)
        os._exit = never
