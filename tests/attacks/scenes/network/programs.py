"""Has others connect: bash, perl, a second Python, curl, wget."""
# expect: completed
# prepare: tcp udp
import subprocess
import sys

from attack import *


class Attack(Trial):
    def attack(self):
        port, udp = TARGETS["tcp"], TARGETS["udp"]
        commands = (
            ["bash", "-c", f"echo hello > /dev/tcp/127.0.0.1/{port}"],
            ["bash", "-c", f"echo hello > /dev/udp/127.0.0.1/{udp}"],
            ["perl", "-MIO::Socket::INET", "-e", f"IO::Socket::INET->new('127.0.0.1:{port}') or die"],
            [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))"],
            ["curl", "-m", "2", f"http://127.0.0.1:{port}/"],
            ["wget", "-T", "2", f"http://127.0.0.1:{port}/"],
        )
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, timeout=5)
            except (OSError, subprocess.TimeoutExpired) as error:
                tried(f"{command[0]}: {error}")
                continue
            if done.returncode == 0:
                breach(f"{command[0]} connected")
            tried(f"{command[0]}: exit {done.returncode}")
