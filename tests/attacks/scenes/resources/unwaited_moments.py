"""Burns CPU time in children that live for some milliseconds each, unseen between two looks, and nobody waits for."""
# expect: cpu_limit
# job: cpu_s=2 timeout_s=60
# tries: no
import os
import signal

from manim import *

BURN = ["/bin/sh", "-c", "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done"]


class Attack(Scene):
    def construct(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            pid = os.posix_spawn(BURN[0], BURN, {})
            try:
                os.waitpid(pid, 0)  # until it is gone; it leaves no time behind
            except ChildProcessError:
                pass
