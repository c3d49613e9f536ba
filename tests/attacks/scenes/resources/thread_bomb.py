"""Starts threads as long as it can."""
# expect: process_limit
# job: processes=40 timeout_s=30
# tries: no
import threading
import time

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
