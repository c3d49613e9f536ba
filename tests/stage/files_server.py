"""A server of files that obeys or misbehaves as a test tells it, over TLS with
a CA of the test's own, and over plain HTTP. On loopback, its own ports.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Answer = Callable[[socket.socket], None]
PATIENCE_S = 30.0


def openssl(*words: str, cwd: Path) -> None:
    """One command of openssl's."""
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def make_certificates(directory: Path, name: str = "DNS:localhost,DNS:files.test,IP:127.0.0.1") -> None:
    """ca.pem, and server.pem with server.key for these names; wrong.pem for another."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-x509", "-days", "2", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, *ca, cwd=directory)
    for stem, names in (("server", name), ("wrong", "DNS:elsewhere.test")):
        (directory / f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        openssl("req", *key, "-subj", "/CN=files", "-keyout", f"{stem}.key", "-out", f"{stem}.csr", cwd=directory)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", f"{stem}.ext", "-out", f"{stem}.pem")
        openssl("x509", "-req", "-in", f"{stem}.csr", *signed, cwd=directory)
    (directory / "ca.pem").chmod(0o600)  # the fetcher's uid need not be able to read it


def plain(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """An ordinary answer."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers])

    def answer(client: socket.socket) -> None:
        client.sendall(head.encode() + b"\r\n\r\n" + body)

    return answer


def raw(*pieces: bytes, then_wait: bool = False) -> Answer:
    """These bytes; then the end, or silence until the client goes."""

    def answer(client: socket.socket) -> None:
        for piece in pieces:
            client.sendall(piece)
        if then_wait:
            client.settimeout(PATIENCE_S)
            with suppress(OSError):
                client.recv(1)

    return answer


def endless(head: bytes, piece: bytes) -> Answer:
    """`head`, then `piece` for ever, as fast as it goes."""

    def answer(client: socket.socket) -> None:
        client.sendall(head)
        with suppress(OSError):
            while True:
                client.sendall(piece)

    return answer


def trickle(head: bytes) -> Answer:
    """`head`, then a byte now and then, for ever."""

    def answer(client: socket.socket) -> None:
        client.sendall(head)
        pause = threading.Event()
        with suppress(OSError):
            while not pause.wait(0.05):
                client.sendall(b"x")

    return answer


@dataclass
class Files:
    """What it serves, by path: answers in their order, the last one for ever."""

    directory: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    certificate: str = "server"
    silent: bool = False  # accepts, and never says a word
    listeners: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, tls: bool, address: str = "127.0.0.1", family: int = socket.AF_INET, port: int = 0) -> int:
        """One more port; its number."""
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(64)
        self.listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, tls), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, tls: bool) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, tls), daemon=True).start()

    def _serve(self, client: socket.socket, tls: bool) -> None:
        with suppress(OSError), client:
            client.settimeout(PATIENCE_S)
            if self.silent:
                client.recv(1 << 16)
                client.recv(1)
                return
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                stem = self.directory / self.certificate
                context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
                client = context.wrap_socket(client, server_side=True)
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(1 << 16)
            if not piece:
                return
            head += piece
        path = head.split(b" ", 2)[1].decode()
        with self._lock:
            self.asked.append(path)
            self.heads.append(head.decode())
            left = self.answers.get(path.split("?")[0], [plain(b"SECRET-BODY none", "404 Not Found")])
            answer = left.pop(0) if len(left) > 1 else left[0]
        answer(client)

    def serve(self, path: str, *answers: Answer | bytes) -> None:
        """What a path answers."""
        self.answers[path] = [plain(a) if isinstance(a, bytes) else a for a in answers]

    def close(self) -> None:
        """Stop listening."""
        for listener in self.listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@contextmanager
def serving(directory: Path) -> Iterator[tuple[Files, int, int]]:
    """A server, its TLS port and its plain one; certificates in `directory`."""
    make_certificates(directory)
    files = Files(directory)
    try:
        yield files, files.listen(True), files.listen(False)
    finally:
        files.close()
