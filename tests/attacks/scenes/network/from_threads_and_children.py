"""Connects from a thread, a fork and a program of its own: the layers must be in all of them."""
# expect: completed
# prepare: tcp udp
import os
import socket
import subprocess
import sys
import threading

from attack import *


def send_everything():
    def tcp():
        return socket.create_connection(("127.0.0.1", TARGETS["tcp"]), 2)

    def udp():
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", TARGETS["udp"]))

    attempt("TCP", tcp)
    attempt("UDP", udp)


class Attack(Trial):
    def attack(self):
        thread = threading.Thread(target=send_everything)
        thread.start()
        thread.join()
        in_child(send_everything)
        in_child(lambda: (os.setsid() if TARGETS["level"] != "basic" else None, send_everything()))
        code = f"import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', {TARGETS['udp']}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True)
        if done.returncode == 0:
            breach("a program of its own sent")
