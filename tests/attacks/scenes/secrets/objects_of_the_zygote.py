"""Walks over every Python object that it inherited."""
# expect: completed
import gc
import sys

from attack import *


class Attack(Trial):
    def attack(self):
        gc.unfreeze()
        seen = 0
        for thing in gc.get_objects():
            if isinstance(thing, dict):
                for value in list(thing.values()):
                    if isinstance(value, (str, bytes)):
                        seen += 1
                        data = value.encode(errors="replace") if isinstance(value, str) else value
                        found = CANARY.search(data)
                        if found:
                            breach(f"an object holds {found[0].decode()}")
        frame = sys._getframe()
        while frame:
            for name, value in frame.f_locals.items():
                if "secret" in name.lower() or "token" in name.lower():
                    breach(f"{frame.f_code.co_name} holds {name}")
            frame = frame.f_back
        tried(f"{seen} strings of other modules")
