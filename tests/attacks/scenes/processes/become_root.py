"""Takes the ids of root, of the neighbour and of the worker, by every call there is."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        me, other = os.getuid(), os.getuid() ^ 1
        for uid in (0, other, 65534) if me else (other,):
            attempt(f"setuid {uid}", lambda: os.setuid(uid))
            attempt(f"setreuid {uid}", lambda: os.setreuid(uid, uid))
            attempt(f"setresuid {uid}", lambda: os.setresuid(uid, uid, uid))
            attempt(f"seteuid {uid}", lambda: os.seteuid(uid))
            attempt(f"setgid {uid}", lambda: os.setgid(uid))
            attempt(f"setresgid {uid}", lambda: os.setresgid(uid, uid, uid))
            attempt(f"setgroups {uid}", lambda: os.setgroups([uid]))
            forbidden("setfsuid", uid)
        if os.getuid() == 0 or os.geteuid() == 0:
            breach("it is root")
