"""Ignores every signal that can be ignored, and sleeps."""
# expect: time_limit
# job: timeout_s=2
# tries: no
import signal
import time

from manim import *


class Attack(Scene):
    def construct(self):
        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(1000)
