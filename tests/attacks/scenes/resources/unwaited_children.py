"""Burns CPU time in children whose end nobody waits for, so that it is in no count."""
# expect: cpu_limit
# job: cpu_s=3 timeout_s=60
# tries: no
import os
import signal
import time

from manim import *


class Attack(Scene):
    def construct(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if os.fork() == 0:
                until = time.process_time() + 0.4
                while time.process_time() < until:
                    pass
                os._exit(0)
            time.sleep(0.3)
