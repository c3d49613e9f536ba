"""Takes rights back: capabilities, secure bits, ambient ones, no_new_privs."""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        header = ctypes.create_string_buffer((0x20080522).to_bytes(4, "little"), 8)
        sets = ctypes.create_string_buffer(b"\xff" * 24, 24)
        forbidden("capset", header, sets)
        with open("/proc/self/status") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name in ("CapInh", "CapPrm", "CapEff", "CapAmb") and int(value, 16):
                    breach(f"{name} is {value.strip()}")
                if name in ("NoNewPrivs", "Seccomp") and value.strip() == "0":
                    breach(f"{name} is 0")
        for option in (8, 24, 28, 38, 47):  # keep caps, bounding set, secure bits, no_new_privs, ambient
            if option != 38:
                forbidden("prctl", option, 1, 0, 0, 0)
        attempt("no_new_privs off", lambda: syscall("prctl", 38, 0, 0, 0, 0))
