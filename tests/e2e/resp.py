"""A Redis client of sixty lines, so that the tests depend on nobody else's."""

from __future__ import annotations

import socket
from typing import Any

Reply = Any  # str, int, None, or a list of these


class RespError(Exception):
    """An error reply."""


class Resp:
    """One connection, over a unix socket or TCP; commands are calls."""

    def __init__(self, address: str | tuple[str, int], timeout: float = 60) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(address)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Resp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self._socket.close()

    def send(self, *words: str | bytes | int | float) -> None:
        """Send one command without waiting for its reply."""
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are: a command in pieces, or nonsense."""
        self._socket.sendall(data)

    def read(self) -> Reply:
        """Read one reply; text that is not UTF-8 keeps its odd bytes escaped."""
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RespError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            return self._reader.read(int(rest) + 2)[:-2].decode(errors="backslashreplace")
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not RESP: {line[:40]!r}")

    def __call__(self, *words: str | bytes | int | float) -> Reply:
        """Run one command."""
        self.send(*words)
        return self.read()

    def table(self, *words: str | bytes | int | float) -> dict[str, str]:
        """Run a command that answers with names and values by turns."""
        flat = self(*words) or []
        return dict(zip(flat[::2], flat[1::2], strict=True))
