"""Types into a terminal that it might share: TIOCSTI, TIOCLINUX, paste."""
# expect: completed
import fcntl
import os

from attack import *

COMMANDS = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCCONS": 0x541D, "TIOCSCTTY": 0x540E, "TIOCSETD": 0x5423, "KDSKBENT": 0x4B47,
            "SIOCGIFCONF": 0x8912, "FIBMAP": 1, "FS_IOC_FIEMAP": 0xC020660B, "FICLONE": 0x40049409, "FIDEDUPERANGE": 0xC0189436,
            "FIFREEZE": 0xC0045877, "FS_IOC_GETFLAGS": 0x80086601, "FIOASYNC": 0x5452, "FIOSETOWN": 0x8901, "TIOCGPTN": 0x80045430}  # fmt: skip


class Attack(Trial):
    def attack(self):
        own = os.open("mine", os.O_CREAT | os.O_RDWR, 0o600)
        for name, command in COMMANDS.items():
            for fd in (0, 1, 2, own):
                attempt(f"{name} on {fd}", lambda: fcntl.ioctl(fd, command, bytes(64)))
        for path in ("/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts/0", "/dev/pts/ptmx", "/dev/tty0", "/dev/vcs"):
            attempt(path, lambda: os.open(path, os.O_RDWR))
        attempt("a pair of terminals", os.openpty)
