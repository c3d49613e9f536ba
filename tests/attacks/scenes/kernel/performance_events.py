"""Watches the machine by performance events, and the kernel by tracing."""
# expect: completed
import ctypes
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for kind in range(0, 8):
            room = ctypes.create_string_buffer(kind.to_bytes(4, "little") + (112).to_bytes(4, "little"), 112)
            for pid in (0, -1, TARGETS["worker_pid"]):
                forbidden("perf_event_open", room, pid, 0 if pid == -1 else -1, -1, 0)
        for path in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing", "/sys/bus/event_source/devices"):
            attempt(path, lambda: os.listdir(path))
