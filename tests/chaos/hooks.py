"""A receiver of webhooks that behaves badly, and remembers.

What it does with a try depends on the seed, the job and how often it was tried,
not on time: so a run replays. After a few bad ones it takes every job's webhook.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = b"the chaos suite's own secret, no other"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
TIMEOUT_S = 1  # of the courier
OPTIONS: dict[str, Any] = {
    "guard_allow": "127.0.0.0/8", "allow_http": "true", "webhook_secret": SECRET, "webhook_retry_base_ms": 1,
    "webhook_timeout_s": TIMEOUT_S,
}  # fmt: skip
"""Of a worker whose webhooks come here."""

BAD_TRIES = 3  # at most, of a job's
MANNERS = {"take": 55, "fail": 15, "busy": 3, "slow": 5, "hang up": 10, "half": 7, "redirect": 5}
"""How often it does what. `slow` takes it, but later than the courier waits."""


@dataclass
class Heard:
    """All that came about one job."""

    tries: int = 0
    bodies: dict[str, set[bytes]] = field(default_factory=dict)  # message id → bodies
    taken: set[str] = field(default_factory=set)  # message ids that were answered with 2xx


class Receiver:
    """Listens on loopback; `url` is a job's webhook."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.heard: dict[str, Heard] = {}
        self.wrong: list[str] = []  # unsigned, stale or unreadable ones
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.receiver = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def note(self, headers: dict[str, str], body: bytes) -> tuple[str, str]:
        """Write down what came; (what to do with it, its message id)."""
        message = headers.get("webhook-id", "")
        with self._lock:
            if not signed(headers, body):
                self.wrong.append(f"signature: {headers} {body[:200]!r}")
            try:
                job_id = str(json.loads(body)["data"]["id"])
            except (ValueError, KeyError, TypeError):
                self.wrong.append(f"body: {body[:200]!r}")
                job_id = ""
            heard = self.heard.setdefault(job_id, Heard())
            heard.tries += 1
            heard.bodies.setdefault(message, set()).add(body)
            manner = self.manner(job_id, heard.tries)
            self.counts[manner] += 1
        return manner, message

    def manner(self, job_id: str, tries: int) -> str:
        """What it does with this try."""
        if tries > BAD_TRIES:
            return "take"
        rng = random.Random(f"{self.seed} {job_id} {tries}")
        return rng.choices(list(MANNERS), list(MANNERS.values()))[0]

    def took(self, body: bytes, message: str) -> None:
        """The answer was sent."""
        with self._lock, suppress(ValueError, KeyError, TypeError):
            self.heard[str(json.loads(body)["data"]["id"])].taken.add(message)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def signed(headers: dict[str, str], body: bytes) -> bool:
    """Whether it is signed as Standard Webhooks has it, and fresh."""
    stamp, message = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    text = f"{message}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()
    fresh = stamp.isdigit() and abs(time.time() - int(stamp)) < 300
    return message.startswith("msg_") and fresh and wanted in headers.get("webhook-signature", "").split(" ")


class Server(ThreadingHTTPServer):
    """Many couriers at a time, whose hanging up is no news."""

    daemon_threads = True
    request_queue_size = 128
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Note it, and do what the dice say."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        receiver = self.server.receiver
        manner, message = receiver.note({k.lower(): v for k, v in self.headers.items()}, body)
        if manner in ("hang up", "half"):
            if manner == "half":
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n")
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        if manner == "slow":
            time.sleep(TIMEOUT_S + 0.5)
        status, more = {"fail": (500, {}), "busy": (503, {"retry-after": "1"}),
                        "redirect": (302, {"location": "http://169.254.169.254/latest/meta-data/"}),
                        }.get(manner, (204, {}))  # fmt: skip
        if status == 204:
            receiver.took(body, message)  # before it knows: it may hear nothing of it
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Be silent."""


# ── what must be true of them ─────────────────────────────────────────────


def of_hooks(receiver: Receiver | None, hashes: dict[str, dict[str, str]], owed: set[str],
             lives: dict[str, int]) -> list[str]:
    """Each end was told at least once, under one id; nothing is owed. `lives`: how often a job was queued again."""
    wrong = [f"hook: {job_id} is still owed" for job_id in sorted(owed)]
    if receiver is None:
        return wrong
    wrong += [f"hook: {what}" for what in receiver.wrong]
    for job_id, found in hashes.items():
        if not found.get("webhook"):
            continue
        heard = receiver.heard.get(job_id, Heard())
        if found.get("hook") != "delivered":
            wrong.append(f"hook: {job_id} is {found.get('hook')} ({found.get('hookwhy')}), heard {heard.tries} times")
        elif found.get("hookid") not in heard.taken:
            wrong.append(f"hook: {job_id} is delivered as {found.get('hookid')}, and {sorted(heard.taken)} came")
        if len(heard.bodies) > 1 + lives.get(job_id, 0):
            wrong.append(f"hook: {job_id} came under {len(heard.bodies)} ids: {sorted(heard.bodies)}")
        wrong += of_bodies(job_id, found, heard)
    return wrong


def of_bodies(job_id: str, found: dict[str, str], heard: Heard) -> list[str]:
    """The same bytes at every try, and what the hash says."""
    wrong = [f"hook: {job_id}, {message} came with {len(bodies)} bodies"
             for message, bodies in heard.bodies.items() if len(bodies) > 1]
    for body in heard.bodies.get(found.get("hookid", ""), set()):
        told = json.loads(body)
        if (told["type"], told["data"]) != (f"job.{found.get('state')}", json.loads(found.get("result") or "{}")):
            wrong.append(f"hook: {job_id} is {found.get('state')}, and {told['type']} was told")
    return wrong
