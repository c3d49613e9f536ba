"""Searches all of its own memory for what the zygote may have left there."""
# expect: completed
import ctypes

from attack import *


def regions():
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, rights, *_ = line.split()
            begin, end = (int(x, 16) for x in span.split("-"))
            if rights.startswith("r") and not line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                yield begin, end, line.strip()[-40:]


class Attack(Trial):
    def attack(self):
        total = 0
        for begin, end, name in regions():
            if "ring" in name or "memfd" in name:
                continue
            for at in range(begin, end, 1 << 22):
                data = ctypes.string_at(at, min(1 << 22, end - at))
                total += len(data)
                found = CANARY.search(data)
                if found:
                    breach(f"{found[0].decode()} in {name}")
        tried(f"{total >> 20} MiB of own memory")
