"""Threads, exit handlers and finalizers that act when the scene has ended."""
# expect: completed
# tries: no
import atexit
import os
import threading
import time

from manim import *


class Ghost:
    def __del__(self):
        os.write(1, b"BREACH a finalizer ran after the end\n") if ended else None
        self.again = self


ended = []
ghost = Ghost()
atexit.register(lambda: os.write(1, b"exit handler\n"))
atexit.register(lambda: os._exit(3))


class Attack(Scene):
    def construct(self):
        threading.Thread(target=time.sleep, args=(1000,)).start()
        self.wait(0.1)
