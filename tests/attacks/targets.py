"""What is prepared outside for one scene, and whether it was touched.

Every scene has its own, so that what is seen can be laid at one door.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Prepared = dict[str, Any]


def canary(where: str) -> str:
    """A string that must never come out; scenes know only its form (attack.py)."""
    return f"CANARY-{where}-{os.urandom(16).hex()}"


class Listener:
    """A socket that nobody may reach; contacts wait in its queue until asked for."""

    def __init__(self, family: int, kind: int, address: Any) -> None:
        self.kind = kind
        self.socket = socket.socket(family, kind)
        self.socket.bind(address)
        if kind == socket.SOCK_STREAM:
            self.socket.listen(8)
        self.socket.setblocking(False)

    def contacted(self) -> bool:
        """Whether anybody came."""
        with suppress(BlockingIOError):
            if self.kind == socket.SOCK_STREAM:
                self.socket.accept()[0].close()
            else:
                self.socket.recv(4096)
            return True
        return False

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def look_at(path: Path) -> tuple[Any, ...]:
    """All of a file that an attack could change (reading it changes nothing here)."""
    stat = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    labels = tuple((name, os.getxattr(path, name)) for name in os.listxattr(path))
    return (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_size, stat.st_mtime_ns, stat.st_nlink, content, labels)


def snapshot(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Everything beneath a directory, and itself."""
    return {str(p): look_at(p) for p in [directory, *sorted(directory.rglob("*"))]}


class Targets:
    """What one scene may aim at."""

    def __init__(self, directory: Path, token: str, prepare: tuple[str, ...]) -> None:
        self.directory = directory
        self.token = token
        self.canaries: list[str] = []
        self.listeners: dict[str, Listener] = {}
        self.known: Prepared = {"token": token}
        directory.mkdir(parents=True)
        directory.chmod(0o755)
        for name in prepare:
            if name not in PREPARATIONS:
                raise KeyError(f"no such preparation: {name} (there are: {', '.join(PREPARATIONS)})")
            PREPARATIONS[name](self)
        self.before = snapshot(directory)

    def listen(self, name: str, family: int, kind: int, address: Any) -> None:
        """Add a listener and tell the scene where it is."""
        listener = self.listeners[name] = Listener(family, kind, address)
        where = listener.socket.getsockname()
        if isinstance(where, tuple):
            where = where[1]
        self.known[name] = where[1:].decode() if isinstance(where, bytes) else where

    def listen_at_path(self) -> None:
        """A unix socket that every uid may connect to."""
        path = str(self.directory / "sock")
        self.listen("unix", socket.AF_UNIX, socket.SOCK_STREAM, path)
        os.chmod(path, 0o777)

    def files(self) -> None:
        """A readable secret, one for root alone, a file and a directory for all to write."""
        secret, own = canary("file"), canary("file")
        self.canaries += [secret, own]
        for name, text, mode in (("secret", secret, 0o644), ("private", own, 0o600), ("writable", "as it was\n", 0o666)):
            path = self.directory / name
            path.write_text(text)
            path.chmod(mode)
            self.known[name] = str(path)
        shared = self.directory / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        self.known["shared"] = str(shared)

    def complaints(self) -> list[str]:
        """What was touched."""
        found = [f"the listener {name} was contacted" for name, each in self.listeners.items() if each.contacted()]
        after = snapshot(self.directory)
        for path in sorted(self.before.keys() | after.keys()):
            if self.before.get(path) != after.get(path):
                found.append(f"{Path(path).name} outside was changed: {self.before.get(path)} → {after.get(path)}")
        return found

    def close(self) -> None:
        """Stop listening."""
        for each in self.listeners.values():
            each.close()


PREPARATIONS: dict[str, Callable[[Targets], None]] = {
    "files": Targets.files,
    "tcp": lambda t: t.listen("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
    "tcp6": lambda t: t.listen("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
    "udp": lambda t: t.listen("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
    "abstract": lambda t: t.listen("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{t.token}-outside"),
    "abstract_dgram": lambda t: t.listen("abstract_dgram", socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{t.token}-dgram"),
    "unix": Targets.listen_at_path,
}

