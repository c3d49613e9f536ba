"""Leaves a daemon that holds the log and the reports open, so that nobody hears of an end."""
# expect: completed
# job: timeout_s=20
# tries: no, what is left is seen from outside
# ablation: no, without its uid nobody would find it
import os
import signal
import time

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                while True:
                    time.sleep(1)
            os._exit(0)
        self.wait(0.1)
