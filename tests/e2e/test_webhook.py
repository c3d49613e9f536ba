"""A job ends, and the world hears: webhooks against a real receiver on loopback.

Most jobs here end without a render (they are refused, or cancelled while they
wait): what is tested is what comes after the end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import WorkerMaker
from house import GOOD, QUEUE, Queue, Redis, Worker, until


def new_secret() -> str:
    """A signing secret as an operator would make it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


SECRET, OLD_SECRET = new_secret(), new_secret()
ALLOWED = {"guard_allow": "127.0.0.0/8", "allow_http": "true"}
QUICK = ALLOWED | {"webhook_secret": SECRET, "webhook_retry_base_ms": 1, "webhook_timeout_s": 5, "lease_ms": 1000}
FOREVER = 4_000_000_000


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """Its body, read."""
        return dict(json.loads(self.body))


Answer = tuple[int, dict[str, str]]  # status and headers


class Receiver:
    """An HTTP server that writes down what comes and answers as it is told."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None, answers: tuple[Answer, ...] = ()) -> None:
        self.heard: list[Heard] = []
        self.answers: list[Answer] = list(answers)
        self.usual: Answer = (200, {})
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Note it, wait if told so, answer."""
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.heard.append(Heard(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.hold.wait(house.PATIENCE_S)
                status, headers = outer.answers.pop(0) if outer.answers else outer.usual
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", "6")
                    self.end_headers()
                    self.wfile.write(b"SECRET")
                except OSError:
                    pass  # who asked is gone

            def log_message(self, *_: Any) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?token=TENANTS"
        if tls:  # a handshake that fails is told by accept(), which the server survives
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://localhost:{self.port}/hook?token=TENANTS"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def wait(self, count: int = 1, patience_s: float = house.PATIENCE_S) -> list[Heard]:
        """Wait until so many requests came."""
        until(f"{count} webhooks, not {len(self.heard)}", lambda: len(self.heard) >= count, patience_s)
        return self.heard

    def close(self) -> None:
        """Stop listening."""
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def receiving(
    port: int = 0, tls: ssl.SSLContext | None = None, answers: tuple[Answer, ...] = ()
) -> Iterator[Receiver]:
    """A receiver for a while; `answers` are its first, from before it can be reached."""
    it = Receiver(port, tls, answers)
    try:
        yield it
    finally:
        it.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver."""
    with receiving() as it:
        yield it


def verify(heard: Heard, secret: str) -> None:
    """What a receiver does with a webhook, by the words of the standard."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([heard.headers["webhook-id"].encode(), heard.headers["webhook-timestamp"].encode(), heard.body])
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert wanted in heard.headers["webhook-signature"].split(" ")
    assert abs(time.time() - int(heard.headers["webhook-timestamp"])) < 300
    assert "." not in heard.headers["webhook-id"]


def refused(queue: Queue, url: str, **fields: Any) -> str:
    """Push a job that ends at once, without a render; give its id."""
    return queue.push(GOOD, webhook=url, width=1, **fields)


def wait_hook(queue: Queue, job_id: str, *words: str) -> dict[str, str]:
    """Wait until a job's webhook is so; give its hash."""
    return dict(
        until(
            f"the webhook of {job_id} is {' or '.join(words)}",
            lambda: (h := queue.hash(job_id)).get("hook") in words and h,
        )
    )


def outbox(redis: Redis) -> list[str]:
    """Who owes a webhook."""
    with redis.connect() as db:
        return list(db("ZRANGE", f"{QUEUE}:hooks", 0, -1))


def courier_of(worker: Worker) -> int:
    """Its process id."""

    def find() -> int:
        of = house.descendants(worker.pid)
        return next((pid for pid, command in of.items() if " courier" in command), 0)

    return int(until("there is a courier", find))


# ── delivered ─────────────────────────────────────────────────────────────


def test_completed_is_delivered_once_and_signed(
    redis: Redis, queue: Queue, start_worker: WorkerMaker, receiver: Receiver
) -> None:
    """The whole way, with two secrets while they are being changed."""
    worker = start_worker(**QUICK | {"webhook_secret": f"{SECRET},{OLD_SECRET}"}).ready()
    result = queue.run(GOOD, id="with.dots-1", webhook=receiver.url, metadata={"order": 7})
    assert result["state"] == "completed", result
    ended = wait_hook(queue, "with.dots-1", "delivered")

    assert len(receiver.heard) == 1
    heard = receiver.heard[0]
    verify(heard, SECRET)
    verify(heard, OLD_SECRET)
    assert heard.path == "/hook?token=TENANTS"
    assert heard.headers["content-type"] == "application/json"
    assert heard.event["type"] == "job.completed"
    assert heard.event["data"] == result == json.loads(ended["result"])
    assert heard.event["timestamp"].endswith("Z")
    assert (ended["hookcode"], ended["hookwhy"], ended["hooktries"]) == ("200", "", "1")
    assert outbox(redis) == []
    queue.check("with.dots-1")
    status = json.loads(house.manimd("status", "with.dots-1", "--json", redis=redis).stdout)
    assert (status["webhook"], status["webhook_status"]) == ("delivered", 200)
    worker.stop()
    assert len(receiver.heard) == 1


def test_every_end_is_told(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """Failed, cancelled, expired, dead, refused."""
    start_worker(**QUICK | {"attempts": 1, "store_dir": "/dev/null/nowhere"}).ready()
    wanted = {
        queue.push("from manim import *\nclass A(Scene):\n    def construct(self): 1/0\n", webhook=receiver.url): "failed",
        queue.push(GOOD, webhook=receiver.url): "dead",  # nowhere to store it
        queue.push(GOOD, webhook=receiver.url, expires_at=1): "failed",
        refused(queue, receiver.url): "failed",
    }
    waiting = queue.push(GOOD, webhook=receiver.url, run_at=FOREVER)
    queue.wait_state(waiting, "delayed")
    assert house.manimd("cancel", waiting, redis=redis).returncode == 0
    wanted[waiting] = "cancelled"
    told = {heard.event["data"]["id"]: heard.event["type"] for heard in receiver.wait(len(wanted))}
    assert told == {job_id: f"job.{state}" for job_id, state in wanted.items()}
    for heard in receiver.heard:
        verify(heard, SECRET)
    queue.check(*wanted)


def test_submit_with_a_webhook(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver, tmp_path: Path) -> None:
    """By hand; a URL that a worker would refuse is refused before the push."""
    start_worker(**QUICK).ready()
    file = tmp_path / "bad.py"
    file.write_text("from manim import *\nclass A(Scene):\n    def construct(self): 1/0\n")
    options = ("submit", file, "--id=by-hand", "--notify", f"--webhook={receiver.url}")
    refused_here = house.manimd(*options, redis=redis)
    assert refused_here.returncode == 2 and "webhook" in refused_here.stderr, refused_here
    assert house.manimd(*options, "--allow-http=true", redis=redis).returncode == 0
    assert queue.result("by-hand")["state"] == "failed"
    wait_hook(queue, "by-hand", "delivered")
    assert receiver.heard[0].event["data"]["id"] == "by-hand"


def test_unsigned_without_a_secret(queue: Queue, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """It goes out all the same, and the log says so."""
    worker = start_worker(**QUICK | {"webhook_secret": None}).ready()
    wait_hook(queue, refused(queue, receiver.url), "delivered")
    assert "webhook-signature" not in receiver.heard[0].headers
    worker.log.wait("webhook_secret is not set")


def test_long_logs_are_cut(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """A payload stays below 20 kB, whatever the scene printed."""
    start_worker(**QUICK).ready()
    code = "from manim import *\nprint('é\"' * 20000)\nclass A(Scene):\n    def construct(self): 1/0\n"
    job_id = queue.push(code, webhook=receiver.url)
    heard = receiver.wait()[0]
    wait_hook(queue, job_id, "delivered")
    whole = json.loads(queue.hash(job_id)["result"])
    told = heard.event["data"]
    assert len(heard.body) <= 20000 < len(queue.hash(job_id)["result"].encode())
    assert whole["log_tail"].endswith(told["log_tail"]) and told["log_tail"]
    assert {**whole, "log_tail": 0} == {**told, "log_tail": 0}


def test_until_empty_delivers_before_it_ends(queue: Queue, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """A worker run by cron leaves no webhook for the next hour's."""
    job_id = refused(queue, receiver.url)
    worker = start_worker(**QUICK | {"until_empty": True})
    assert house.wait_exit(worker.process) == 0
    assert len(receiver.heard) == 1
    assert queue.hash(job_id)["hook"] == "delivered"


# ── not at once ───────────────────────────────────────────────────────────


def test_receiver_down_then_up(queue: Queue, redis: Redis, start_worker: WorkerMaker) -> None:
    """Tried again until somebody listens; the id and the body stay."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    worker = start_worker(**QUICK).ready()
    job_id = refused(queue, f"http://127.0.0.1:{port}/")
    worker.log.wait("again in", after=0)
    found = wait_hook(queue, job_id, "retrying")
    assert "refused" in found["hookwhy"] and found["hookcode"] == "0"
    assert outbox(redis) == [job_id]
    with receiving(port, answers=((500, {}),)) as receiver:
        first, second = receiver.wait(2)[:2]
        ended = wait_hook(queue, job_id, "delivered")
    assert int(ended["hooktries"]) >= 3
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == ended["hookid"]
    assert first.body == second.body
    verify(second, SECRET)


@pytest.mark.parametrize(
    "case",
    [
        ((500, {}), 3, "answered 500"),
        ((404, {}), 3, "answered 404"),
        ((410, {}), 1, "wants no more"),
        ((302, {"location": "http://169.254.169.254/latest/meta-data/"}), 3, "redirects are not followed"),
    ],
    ids=lambda case: str(case[0][0]),
)
def test_given_up(
    case: tuple[tuple[int, dict[str, str]], int, str],
    queue: Queue,
    redis: Redis,
    start_worker: WorkerMaker,
    receiver: Receiver,
) -> None:
    """After the last try, or at 410; never a word of the answer's body. Then again, by hand."""
    answer, tries, why = case
    receiver.usual = answer
    worker = start_worker(**QUICK | {"webhook_tries": 3}).ready()
    job_id = refused(queue, receiver.url)
    ended = wait_hook(queue, job_id, "given up")
    assert (ended["hookcode"], ended["hooktries"]) == (str(answer[0]), str(tries))
    assert why in ended["hookwhy"]
    assert len(receiver.heard) == tries
    assert outbox(redis) == []
    assert "SECRET" not in json.dumps(ended) + worker.log.text()
    assert "TENANTS" not in ended["hookwhy"] + worker.log.text()

    receiver.usual = (200, {})
    assert house.manimd("retry", "--webhook", job_id, redis=redis).returncode == 0
    again = wait_hook(queue, job_id, "delivered")
    assert again["hooktries"] == "1"
    assert receiver.heard[-1].headers["webhook-id"] == receiver.heard[0].headers["webhook-id"]
    assert receiver.heard[-1].body == receiver.heard[0].body


def test_replay_needs_an_end_and_a_webhook(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """What cannot be replayed is said, with exit 1."""
    start_worker(**QUICK).ready()
    plain = queue.push(GOOD, width=1)
    early = queue.push(GOOD, webhook=receiver.url, run_at=FOREVER)
    queue.wait_state(plain, "failed")
    queue.wait_state(early, "delayed")
    for job_id, words in ((plain, "names no webhook"), (early, "has not ended"), ("nobody", "not known")):
        done = house.manimd("retry", "--webhook", job_id, redis=redis)
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert receiver.heard == []


def test_retry_after_is_honoured(queue: Queue, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """A receiver that has too much to do is given its time, others of it wait too."""
    receiver.answers = [(429, {"retry-after": "2"})]
    start_worker(**QUICK).ready()
    first = refused(queue, receiver.url)
    wait_hook(queue, first, "retrying")
    at = time.monotonic()
    second = refused(queue, receiver.url)
    receiver.wait(2)
    assert time.monotonic() - at > 1.5
    for job_id in (first, second):
        ended = wait_hook(queue, job_id, "delivered")
    assert ended["hooktries"] == "1"  # being spared is no try


def test_one_silent_receiver_does_not_stop_the_others(queue: Queue, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """Twenty webhooks to somebody who never answers, one to somebody who does."""
    start_worker(**QUICK | {"webhook_timeout_s": 30}).ready()
    with receiving() as silent:
        silent.hold.clear()
        for _ in range(20):
            refused(queue, silent.url)
        silent.wait(2)
        wait_hook(queue, refused(queue, receiver.url), "delivered")
        assert len(silent.heard) <= 4


# ── crashes ───────────────────────────────────────────────────────────────


def test_a_pipe_that_breaks_ends_nobody(start_worker: WorkerMaker) -> None:
    """A courier that was killed a moment ago is poked all the same; a TLS line breaks while it is written to."""
    worker = start_worker(**QUICK).ready()
    courier = house.until("a courier is there", lambda: courier_of(worker))
    for pid in (worker.pid, courier):
        status = (Path("/proc") / str(pid) / "status").read_text()
        ignored = int(re.search(r"^SigIgn:\s+(\w+)", status, re.M)[1], 16)  # type: ignore[index]
        assert ignored & 1 << signal.SIGPIPE - 1, status


def test_courier_killed_in_mid_delivery(queue: Queue, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """Another one is started, and delivers the same once more."""
    worker = start_worker(**QUICK | {"webhook_timeout_s": 1}).ready()
    receiver.hold.clear()
    job_id = refused(queue, receiver.url)
    receiver.wait(1)
    first = courier_of(worker)
    os.kill(first, signal.SIGKILL)
    receiver.hold.set()
    worker.log.wait("the courier ended")
    receiver.wait(2)
    ended = wait_hook(queue, job_id, "delivered")
    one, two = receiver.heard
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert one.body == two.body
    assert ended["hooktries"] == "2"
    assert courier_of(worker) != first


def test_worker_killed_takes_its_courier_along(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """And what it owed is delivered by the next one's."""
    worker = start_worker(**QUICK).ready()
    courier = courier_of(worker)
    worker.kill()
    until("the courier is gone", lambda: courier not in house.processes(), 10)
    job_id = refused(queue, receiver.url)
    start_worker(**QUICK).ready()
    wait_hook(queue, job_id, "delivered")


def test_redis_killed_while_delivering(queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """How it ended is said when Redis is back."""
    start_worker(**QUICK).ready()
    receiver.hold.clear()
    job_id = refused(queue, receiver.url)
    receiver.wait(1)
    redis.stop(signal.SIGKILL)
    receiver.hold.set()
    redis.start()
    wait_hook(queue, job_id, "delivered")
    assert outbox(redis) == []


# ── where it may not go ───────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_loopback_is_refused(host: str, queue: Queue, redis: Redis, start_worker: WorkerMaker, receiver: Receiver) -> None:
    """Without guard_allow nothing is connected to, and the hash says why."""
    start_worker(**QUICK | {"guard_allow": None}).ready()
    job_id = refused(queue, f"http://{host}:{receiver.port}/x")
    ended = wait_hook(queue, job_id, "given up")
    assert "refused: its address is not public" in ended["hookwhy"]
    assert ended["hookcode"] == "0"
    assert receiver.heard == []
    assert outbox(redis) == []


def test_urls_that_are_refused_with_the_job(queue: Queue, start_worker: WorkerMaker) -> None:
    """What can be read off the text is told at once."""
    start_worker(webhook_secret=SECRET).ready()
    for url in ("http://example.com/", "https://u:p@example.com/", "https://2130706433/", "https://[fe80::1%25lo]/", "ftp://x/"):
        result = queue.run(GOOD, webhook=url)
        assert result["outcome"] == "source_rejected", result
        assert 'field "webhook"' in result["error"]["message"]


# ── secrets, keys, costs ──────────────────────────────────────────────────


def test_secrets_stay_inside(queue: Queue, start_worker: WorkerMaker, receiver: Receiver, tmp_path: Path) -> None:
    """Nobody reads them in a command line, an environment, a log."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    worker = start_worker(**QUICK | {"webhook_secret": None, "webhook_secret_file": tmp_path / "secret", "log_level": "debug"}).ready()
    wait_hook(queue, refused(queue, receiver.url), "delivered")
    verify(receiver.heard[0], SECRET)
    key = SECRET.removeprefix("whsec_")
    courier = courier_of(worker)
    for pid in (worker.pid, *house.descendants(worker.pid)):
        assert key not in Path(f"/proc/{pid}/cmdline").read_text()
    assert key not in Path(f"/proc/{courier}/environ").read_bytes().decode()
    assert key not in worker.log.text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"webhook_secret": "hunter2hunter2"}, "webhook_secret: number 1"),
        ({"guard_allow": "10.0.0.0/99"}, 'guard_allow: "10.0.0.0/99"'),
        ({"webhook_ca_file": "/nowhere/ca.pem"}, 'webhook_ca_file: read "/nowhere/ca.pem"'),
    ],
)
def test_wrong_options_stop_the_start(options: dict[str, str], words: str, start_worker: WorkerMaker) -> None:
    """With one sentence, which does not quote a secret."""
    worker = start_worker(**options)
    assert house.wait_exit(worker.process) == 2
    assert words in worker.log.join()
    assert "hunter2" not in worker.log.text()


def test_idle_costs_little(redis: Redis) -> None:
    """At most one command in two seconds, while nothing happens."""
    env = house.environment(MANIMD_REDIS_URL=redis.url)
    courier = subprocess.Popen([str(house.MANIMD), "courier"], env=env, stderr=subprocess.DEVNULL)

    def commands() -> int:
        with redis.connect() as db:
            stats = dict(x.split(":", 1) for x in db("INFO", "stats").splitlines() if ":" in x)
        return int(stats["total_commands_processed"])

    def connected() -> bool:
        with redis.connect() as db:
            return "name=manimd:courier" in db("CLIENT", "LIST")

    try:
        until("the courier is connected", connected)
        before, seconds = commands(), 12
        threading.Event().wait(seconds)  # nothing happens, which is the point
        assert 1 <= commands() - before - 1 <= seconds / 2
    finally:
        courier.terminate()
        assert house.wait_exit(courier) == 0
