"""A little TCP proxy before Redis, for what a network and a clock can do.

It can stop forwarding (a black hole: the sockets stay open), and it knows which
script a client is calling, so that a worker can be killed, or its connection
cut, just before the server hears of it or just before the client hears of it.
"""

from __future__ import annotations

import functools
import hashlib
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LUA = Path(__file__).parents[2] / "worker" / "intake" / "lua"
BEAT = b'"event":"progress"'
"""What only the beat's text has, should it be sent whole."""


@functools.cache
def script_text(name: str) -> str:
    """A script as the worker sends it."""
    linker = LUA.parents[2] / "scripts" / "embed-lua"
    return subprocess.run([linker, LUA, name], capture_output=True, check=True, text=True).stdout


@functools.cache
def script_sha1(name: str) -> bytes:
    """The name that EVALSHA calls it by."""
    return hashlib.sha1(script_text(name).encode()).hexdigest().encode()


@dataclass(eq=False)
class Pair:
    """A client's connection and ours to the server for it."""

    client: socket.socket
    server: socket.socket
    kind: str = ""  # not known yet (or a courier's)
    hole: bool = False
    cut_at_reply: bool = False


@dataclass
class Trap:
    """Sprung once, by the call of a script."""

    script: str
    after: bool  # the server has run it, the client has not heard
    spring: Callable[[Pair], None]
    sprung: threading.Event
    hold: bool = False  # what was held meanwhile goes on its way; else the line is cut


class Proxy:
    """Listens on a port of its own; `url` is what a worker is told."""

    def __init__(self, redis_socket: str) -> None:
        self._redis = redis_socket
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.pairs: set[Pair] = set()
        self._ends: dict[socket.socket, Pair] = {}
        self.trap: Trap | None = None
        self.hole_all = False
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_trap(self, script: str, after: bool, spring: Callable[[Pair], None], hold: bool = False) -> Trap:
        """Wait for a script to be called."""
        self.trap = Trap(script, after, spring, threading.Event(), hold)
        return self.trap

    def hole(self, kind: str) -> int:
        """Forward nothing more on connections of a kind; says how many."""
        found = [p for p in self.pairs if p.kind == kind]
        for pair in found:
            pair.hole = True
        return len(found)

    def close(self) -> None:
        """End it, and every connection through it."""
        self._closing = True
        self._thread.join()
        for pair in list(self.pairs):
            self.cut(pair)
        self._listener.close()
        self._selector.close()

    def cut(self, pair: Pair) -> None:
        """Close both ends."""
        self.pairs.discard(pair)
        for end in (pair.client, pair.server):
            if self._ends.pop(end, None):
                self._selector.unregister(end)
                end.close()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.1):
                if key.fileobj is self._listener:
                    self._accept()
                elif (pair := self._ends.get(key.fileobj)) is not None:  # type: ignore[call-overload]
                    self._forward(pair, key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._redis)
        except OSError:
            client.close()
            server.close()
            return
        pair = Pair(client, server, hole=self.hole_all)
        self.pairs.add(pair)
        for end in (client, server):
            self._ends[end] = pair
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, pair: Pair, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 20)
            if not data:
                raise ConnectionError
            if pair.hole:
                return
            if end is pair.client:
                self._up(pair, data)
            else:
                if pair.cut_at_reply and self.trap and not self._spring(pair):
                    return
                pair.client.sendall(data)
        except OSError:
            self.cut(pair)

    def _up(self, pair: Pair, data: bytes) -> None:
        if b"BLMOVE" in data or b"LMOVE" in data:
            pair.kind = "blocker"
        elif b"CONFIG" in data or b"maxmemory" in data:
            pair.kind = "commands"
        elif script_sha1("beat") in data or BEAT in data:
            pair.kind = "beats"
        trap = self.trap
        if trap and not trap.sprung.is_set() and script_sha1(trap.script) in data:
            if not trap.after and not self._spring(pair):
                return
            pair.cut_at_reply = trap.after
        pair.server.sendall(data)

    def _spring(self, pair: Pair) -> bool:
        """Whether what was held goes on."""
        assert self.trap
        trap, self.trap = self.trap, None
        pair.cut_at_reply = False
        trap.spring(pair)
        trap.sprung.set()
        if not trap.hold:
            self.cut(pair)
        return trap.hold
