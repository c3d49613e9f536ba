"""Connects to a unix socket by its path, and makes one in its own directory."""
# expect: completed
# prepare: unix
import socket

from attack import *


class Attack(Trial):
    def attack(self):
        def connect(path):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
                out.connect(path)
                return "connected"

        attempt("connect", lambda: connect(TARGETS["unix"]))
        for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
                     "/run/containerd/containerd.sock", "/tmp/.X11-unix/X0", "/var/run/nscd/socket"):  # fmt: skip
            attempt(path, lambda: connect(path))
        attempt("make one", lambda: socket.socket(socket.AF_UNIX).bind("mine.sock"))
