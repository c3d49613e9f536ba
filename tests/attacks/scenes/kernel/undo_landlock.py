"""Stacks rule sets that allow everything, and looks whether threads, forks and programs are free of them."""
# expect: completed
# prepare: files
import ctypes
import subprocess
import sys
import threading

from attack import *


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(b"\xff" * 2 + bytes(30), 32)
        forbidden("landlock_create_ruleset", room, 8, 0)
        forbidden("landlock_restrict_self", 0, 0)
        secret = TARGETS["secret"]
        thread = threading.Thread(target=lambda: read_forbidden(secret))
        thread.start()
        thread.join()
        in_child(lambda: read_forbidden(secret))
        done = subprocess.run([sys.executable, "-c", f"print(open({secret!r}).read())"], capture_output=True)
        look("a program", done.stdout)
        look("cat", subprocess.run(["cat", secret], capture_output=True).stdout)
