"""Dies with a core, which would lie somewhere with all of its memory."""
# expect: crashed
import os
import resource
import signal

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("allow itself a core", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)))
        os.kill(os.getpid(), signal.SIGQUIT)
