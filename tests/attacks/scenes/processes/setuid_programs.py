"""Runs set-uid programs of the system; the loader tells whether their rights were given."""
# expect: completed
import os
import re
import subprocess

from attack import *

PROGRAMS = ("su", "mount", "umount", "passwd", "chsh", "chfn", "gpasswd", "newgrp", "sudo", "pkexec", "expiry")


class Attack(Trial):
    def attack(self):
        for name in PROGRAMS:
            path = f"/usr/bin/{name}"
            if not os.path.exists(path) or not os.stat(path).st_mode & 0o6000:
                continue
            try:
                done = subprocess.run([path, "--version"], env={"LD_SHOW_AUXV": "1"}, capture_output=True, timeout=5, stdin=subprocess.DEVNULL)
            except (OSError, subprocess.TimeoutExpired) as error:
                tried(f"{name}: {error}")
                continue
            said = done.stdout.decode(errors="replace")
            ids = dict(re.findall(r"AT_(EUID|EGID|SECURE): +(\d+)", said))
            mine = {"EUID": str(os.getuid()), "EGID": str(os.getgid()), "SECURE": "0"}
            if ids != mine:
                breach(f"{name} was given rights: {ids or 'it runs in secure mode'}")
            tried(name)
