"""Burns in children that nobody waits for, whose time no counter keeps."""
# expect: time_limit cpu_limit
# job: timeout_s=4 cpu_s=100
# tries: no, it does not live to
import os
import signal
import time

from manim import *


class Attack(Scene):
    def construct(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if os.fork() == 0:
                end = time.monotonic() + 0.2
                while time.monotonic() < end:
                    pass
                os._exit(0)
            time.sleep(0.1)
