"""Leaves a daemon by a double fork and a session of its own, deaf to every signal."""
# expect: completed
# tries: no, what is left is seen from outside
# ablation: no, without its uid nobody would find it
import os
import signal
import time

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() == 0:
            try:
                os.setsid()
            except OSError:
                pass
            if os.fork() == 0:
                for signo in range(1, 32):
                    if signo not in (signal.SIGKILL, signal.SIGSTOP):
                        signal.signal(signo, signal.SIG_IGN)
                for fd in range(1024):
                    try:
                        os.close(fd)
                    except OSError:
                        pass
                while True:
                    time.sleep(1)
            os._exit(0)
        os.wait()
        self.wait(0.1)
