"""Changes mode, owner, times and labels of what lies outside: Landlock does not look at these."""
# expect: completed
# prepare: files
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for path in (TARGETS["writable"], TARGETS["shared"], TARGETS["secret"], TARGETS["config"]):
            attempt(f"chmod {path}", lambda: os.chmod(path, 0o777))
            attempt(f"chown {path}", lambda: os.chown(path, os.getuid(), os.getgid()))
            attempt(f"lchown {path}", lambda: os.lchown(path, os.getuid(), os.getgid()))
            attempt(f"set times {path}", lambda: os.utime(path, (0, 0)))
            attempt(f"label {path}", lambda: os.setxattr(path, "user.attack", b"1"))
            attempt(f"unlabel {path}", lambda: os.removexattr(path, "user.attack"))
        forbidden("fchmodat2", -100, TARGETS["writable"].encode(), 0o777, 0) if os.getuid() == 0 else None
