"""Each process forks the next one and ends: none lives long."""
# expect: cpu_limit process_limit
# job: cpu_s=2 timeout_s=60
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() != 0:
            time.sleep(100)
        while True:
            until = time.process_time() + 0.1
            while time.process_time() < until:
                pass
            if os.fork() != 0:
                time.sleep(0.05)
                os._exit(0)
