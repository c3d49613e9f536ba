"""A strict S3 server that misbehaves on demand: what no real one will do when asked.

Python's standard library only. It verifies every signature with a verifier of
its own (header form and presigned), the payload hash, the date, the region,
and that all x-amz-* headers are signed; it keeps objects in memory and knows
PUT, GET, HEAD, DELETE and multipart uploads, path-style.

    with Stub() as stub:
        stub.fault("PUT", slow_down, times=3)
        … stub.endpoint, stub.objects, stub.log …

A fault is a function of the request's handler; it answers (or does not) in
the server's place and returns True, or returns False to go on as usual.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import pytest

ACCESS_KEY = "STUBKEY0000000000001"
SECRET_KEY = "stub+secret/with=odd&characters"
BUCKET = "videos"
PART_LEAST = 5 * 1024 * 1024
SKEW_MOST_S = 900

Fault = Callable[["Handler"], bool]


class Refusal(Exception):
    """An S3 error: status, code, headers."""

    def __init__(self, status: int, code: str, message: str = "", **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass
class Object:
    """What is stored under a key."""

    data: bytes
    headers: dict[str, str]


@dataclass
class Rule:
    """A fault waiting for its request."""

    method: str
    query: str
    fault: Fault
    times: int


@dataclass
class Stub:
    """The server; a context manager."""

    region: str = "us-east-1"
    token: str | None = None
    clock_offset_s: float = 0
    tls: ssl.SSLContext | None = None
    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    seen: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Stub:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.stub = self  # type: ignore[attr-defined]
        self.port = self.server.server_address[1]
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def endpoint(self) -> str:
        """For s3_endpoint."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def env(self, **more: str) -> dict[str, str]:
        """A stage's environment for this server."""
        return {
            "MANIMD_S3_ENDPOINT": self.endpoint,
            "MANIMD_S3_BUCKET": BUCKET,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        } | more

    def fault(self, method: str, fault: Fault, times: int = 1, query: str = "") -> None:
        """The next `times` requests of this method, with `query` in their query, meet this fault."""
        self.rules.append(Rule(method, query, fault, times))

    def note(self, line: str) -> None:
        """A request came."""
        with self.seen:
            self.log.append(line)
            self.seen.notify_all()

    def wait_for(self, words: str, timeout_s: float = 30) -> None:
        """Until a request with these words in its log line came."""
        with self.seen:
            if not self.seen.wait_for(lambda: any(words in line for line in self.log), timeout_s):
                raise TimeoutError(f"{words}: {self.log}")

    def now(self) -> float:
        """The server's idea of the time."""
        return time.time() + self.clock_offset_s


def signing_key(secret: str, day: str, region: str) -> bytes:
    """AWS4's chain of HMACs."""
    key = b"AWS4" + secret.encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key


def canonical_query(query: str, without: str = "") -> str:
    """Decoded, encoded again strictly, sorted."""
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if unquote(name) != without:
            pairs.append((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self) -> None:
        super().setup()
        self.stub: Stub = self.server.stub  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_PUT(self) -> None:
        self.serve()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

    # ── the frame ─────────────────────────────────────────────────────────

    def serve(self) -> None:
        """Faults first, then the checks, then the work."""
        self.path_part, _, self.query = self.path.partition("?")
        self.params = dict(p.partition("=")[::2] for p in self.query.split("&") if p)
        self.stub.note(f"{self.command} {self.path}")
        rule = self.take_rule()
        try:
            if rule and rule.fault(self):
                return
            body = self.read_body()
            self.verify(body)
            self.work(body)
        except Refusal as refusal:
            self.refuse(refusal)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def take_rule(self) -> Rule | None:
        """The first rule that fits, used up once."""
        with self.stub.seen:
            for rule in self.stub.rules:
                if rule.times > 0 and rule.method == self.command and rule.query in self.query:
                    rule.times -= 1
                    return rule
        return None

    def read_body(self) -> bytes:
        """All of it: the length must be said."""
        if "Transfer-Encoding" in self.headers:
            raise Refusal(501, "NotImplemented", "chunked")
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) != length:
            raise ConnectionResetError
        return body

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Sends an answer."""
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.stub.now(), usegmt=True))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, refusal: Refusal) -> None:
        """Sends an S3 error."""
        inner = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in refusal.headers.items() if k[0].isupper() and "-" not in k)
        body = f"<?xml version='1.0'?>\n<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
        body += f"{inner}</Error>"
        headers = {k.replace("-", "_"): v for k, v in refusal.headers.items() if "-" in k or k == "Location"}
        self.reply(refusal.status, body.encode(), **headers)

    def reset(self) -> None:
        """Cuts the line, with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        raise ConnectionResetError

    # ── the checks ────────────────────────────────────────────────────────

    def verify(self, body: bytes) -> None:
        """Refuses what is not signed exactly."""
        key = unquote(self.path_part)
        if quote(key, safe="/-_.~") != self.path_part:
            raise Refusal(400, "InvalidURI", "not strictly encoded")
        if "X-Amz-Signature" in self.params:
            self.verify_presigned()
        else:
            self.verify_header(body)

    def check_scope(self, credential: str, date: str) -> str:
        """Key, day, region; returns the scope."""
        key, day, region, service, end = credential.rsplit("/", 4)
        if key != ACCESS_KEY:
            raise Refusal(403, "InvalidAccessKeyId")
        if region != self.stub.region:
            raise Refusal(
                400, "AuthorizationHeaderMalformed", f"expecting {self.stub.region}", Region=self.stub.region
            )
        if (day, service, end) != (date[:8], "s3", "aws4_request"):
            raise Refusal(400, "AuthorizationHeaderMalformed", "scope")
        return f"{day}/{region}/s3/aws4_request"

    def signed_headers(self, names: list[str]) -> str:
        """The canonical headers."""
        if names != sorted(names) or "host" not in names:
            raise Refusal(400, "AuthorizationHeaderMalformed", "SignedHeaders")
        for name in self.headers:
            if name.lower().startswith("x-amz-") and name.lower() not in names:
                raise Refusal(403, "AccessDenied", f"{name} is not signed")
        lines = ""
        for name in names:
            values = [" ".join(v.split()) for v in self.headers.get_all(name, [])]
            lines += f"{name}:{','.join(values)}\n"
        return lines

    def expect(self, signature: str, date: str, scope: str, canonical: list[str]) -> None:
        """Compares signatures."""
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, digest])
        key = signing_key(SECRET_KEY, date[:8], self.stub.region)
        if not hmac.compare_digest(hmac.new(key, to_sign.encode(), "sha256").hexdigest(), signature):
            raise Refusal(403, "SignatureDoesNotMatch")

    def verify_header(self, body: bytes) -> None:
        """The Authorization form."""
        form = r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})"
        match = re.fullmatch(form, self.headers.get("Authorization", ""))
        if not match:
            raise Refusal(403, "AccessDenied", "no signature")
        date, payload = self.headers.get("X-Amz-Date", ""), self.headers.get("X-Amz-Content-Sha256", "")
        scope = self.check_scope(match[1], date)
        if self.stub.token != self.headers.get("X-Amz-Security-Token"):
            raise Refusal(403, "InvalidToken")
        names = match[2].split(";")
        canonical = [self.command, self.path_part, canonical_query(self.query), self.signed_headers(names)]
        self.expect(match[3], date, scope, [*canonical, match[2], payload])
        when = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        if abs(when - self.stub.now()) > SKEW_MOST_S:
            raise Refusal(403, "RequestTimeTooSkewed")
        if hashlib.sha256(body).hexdigest() != payload:
            raise Refusal(400, "XAmzContentSHA256Mismatch")

    def verify_presigned(self) -> None:
        """The query form."""
        given = {name: unquote(value) for name, value in self.params.items()}
        date, names = given["X-Amz-Date"], given["X-Amz-SignedHeaders"]
        scope = self.check_scope(given["X-Amz-Credential"], date)
        query = canonical_query(self.query, without="X-Amz-Signature")
        canonical = [self.command, self.path_part, query, self.signed_headers(names.split(";"))]
        self.expect(given["X-Amz-Signature"], date, scope, [*canonical, names, "UNSIGNED-PAYLOAD"])
        when = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        if not when - SKEW_MOST_S <= self.stub.now() <= when + int(given["X-Amz-Expires"]):
            raise Refusal(403, "AccessDenied", "Request has expired")

    # ── the work ──────────────────────────────────────────────────────────

    def work(self, body: bytes) -> None:
        """What an S3 server does."""
        _, bucket, key = unquote(self.path_part).split("/", 2)
        if bucket != BUCKET:
            raise Refusal(404, "NoSuchBucket")
        if self.command == "POST" and "uploads" in self.params:
            self.start_upload(key)
        elif "uploadId" in self.params:
            self.work_upload(key, unquote(self.params["uploadId"]), body)
        elif self.command == "PUT":
            self.stub.objects[key] = Object(body, self.kept_headers())
            self.reply(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')
        elif self.command == "DELETE":
            self.stub.objects.pop(key, None)
            self.reply(204)
        else:
            self.send_object(key)

    def kept_headers(self) -> dict[str, str]:
        """Those that are given back with the object."""
        kept = {k.lower(): v for k, v in self.headers.items()}
        return {k: v for k, v in kept.items() if k.startswith("x-amz-meta-") or k == "content-type"}

    def send_object(self, key: str) -> None:
        """GET and HEAD."""
        found = self.stub.objects.get(key)
        if not found:
            raise Refusal(404, "NoSuchKey")
        headers = {name.replace("-", "_"): value for name, value in found.headers.items()}
        self.reply(200, found.data, Content_Length=str(len(found.data)), **headers)

    def start_upload(self, key: str) -> None:
        """CreateMultipartUpload."""
        upload_id = f"id+/{len(self.stub.uploads)}&<>="
        self.stub.uploads[upload_id] = {"key": key, "headers": self.kept_headers(), "parts": {}}
        self.reply(200, f"<Result><UploadId>{escape(upload_id)}</UploadId></Result>".encode())

    def work_upload(self, key: str, upload_id: str, body: bytes) -> None:
        """UploadPart, Complete, Abort."""
        upload = self.stub.uploads.get(upload_id)
        if not upload or upload["key"] != key:
            raise Refusal(404, "NoSuchUpload")
        if self.command == "PUT":
            number = int(self.params["partNumber"])
            upload["parts"][number] = body
            self.reply(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')
        elif self.command == "DELETE":
            del self.stub.uploads[upload_id]
            self.reply(204)
        else:
            self.complete(key, upload_id, upload, body)

    def complete(self, key: str, upload_id: str, upload: dict[str, Any], body: bytes) -> None:
        """CompleteMultipartUpload."""
        listed = re.findall(r'<PartNumber>(\d+)</PartNumber><ETag>"(\w+)"</ETag>', body.decode())
        parts = [upload["parts"][number] for number in sorted(upload["parts"])]
        want = [(str(i + 1), hashlib.md5(part).hexdigest()) for i, part in enumerate(parts)]
        if listed != want:
            raise Refusal(400, "InvalidPart")
        if any(len(part) < PART_LEAST for part in parts[:-1]) or len({len(part) for part in parts[:-1]}) > 1:
            raise Refusal(400, "EntityTooSmall")
        self.stub.objects[key] = Object(b"".join(parts), upload["headers"])
        del self.stub.uploads[upload_id]
        self.reply(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")


# ── faults ────────────────────────────────────────────────────────────────


def answers(status: int, code: str, message: str = "", **headers: str) -> Fault:
    """An S3 error, after the whole body was read."""

    def fault(h: Handler) -> bool:
        h.read_body()
        raise Refusal(status, code, message, **headers)

    return fault


slow_down = answers(503, "SlowDown", "Reduce your request rate")
internal_error = answers(500, "InternalError")


def cuts_body(h: Handler) -> bool:
    """The line breaks in the middle of the body."""
    h.rfile.read(int(h.headers["Content-Length"]) // 2)
    h.reset()
    return True


def loses_answer(h: Handler) -> bool:
    """The work is done, but nobody hears of it."""
    body = h.read_body()
    h.verify(body)
    h.reply = lambda *_, **__: None  # type: ignore[method-assign]
    h.work(body)
    h.reset()
    return True


def cuts_answer(h: Handler) -> bool:
    """The line breaks in the middle of the answer."""
    h.read_body()
    h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    h.reset()
    return True


def hangs(h: Handler) -> bool:
    """The body is read, an answer never comes."""
    h.read_body()
    h.stub.closing.wait()
    h.close_connection = True
    return True


def stops_reading(h: Handler) -> bool:
    """A little of the body is read, then nothing more."""
    h.rfile.read(1000)
    h.stub.closing.wait()
    h.close_connection = True
    return True


def drips(h: Handler) -> bool:
    """An answer that comes byte by byte: never a stall, never an end."""
    h.read_body()
    h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not h.stub.closing.wait(0.1):
        h.wfile.write(b"a")
    h.close_connection = True
    return True


def dawdles(h: Handler) -> bool:
    """Half a second late, but good."""
    h.stub.closing.wait(0.5)
    return False


def floods(h: Handler) -> bool:
    """An error whose body never ends."""
    h.read_body()
    h.wfile.write(b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n")
    while not h.stub.closing.is_set():
        h.wfile.write(b"<x>" * 10000)
    h.close_connection = True
    return True


def says_error_late(h: Handler) -> bool:
    """200, blanks to keep the line open, then an error."""
    h.read_body()
    h.reply(200, b"<?xml version='1.0'?>\n  \n  \n<Error><Code>InternalError</Code><Message>x</Message></Error>")
    return True


def is_no_s3(h: Handler) -> bool:
    """Some other web server."""
    h.read_body()
    h.reply(200, b"<html><body>It works!</body></html>", Content_Type="text/html")
    return True


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A fresh stub."""
    with Stub() as running:
        yield running
