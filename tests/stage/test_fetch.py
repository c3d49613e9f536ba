"""The fetch stage against a real server on loopback, over TLS: what it gets,
what it refuses and how often it asks; and that nothing of an answer gets out."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from files_server import Files, endless, plain, raw, serving, trickle
from render_tools import MANIMD, attempt
from s3_stub import ACCESS_KEY, BUCKET, SECRET_KEY, Object, Stub, answers

SCENE = b"from manim import *\n"
PICTURE = bytes(range(256)) * 40
CANARY = "SECRET-BODY"
LENGTHLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
PATIENCE_S = 60


@dataclass
class Fetched:
    """What a stage left."""

    status: int
    result: dict[str, Any]
    stderr: str
    files: dict[str, bytes] = field(default_factory=dict)
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0

    def good(self) -> Fetched:
        """One that must have gone well."""
        assert (self.status, self.result["outcome"], self.result["error"]) == (0, "completed", None), self
        return self

    def bad(self, outcome: str, words: str) -> str:
        """The sentence of one that must have failed so; nothing of an answer is in it."""
        assert self.result["outcome"] == outcome, self
        assert self.status == {"source_rejected": 1}.get(outcome, 3), self
        message = str(self.result["error"]["message"])
        assert words in message, message
        for text in (json.dumps(self.result), self.stderr):
            assert CANARY not in text and "TENANTS" not in text, text
        assert "\n" not in message and not message.endswith("."), message
        return message


@dataclass
class Bench:
    """A server, and stages that are pointed at it."""

    files: Files
    port: int
    plain_port: int
    options: dict[str, Any]

    def url(self, path: str, host: str = "localhost") -> str:
        """Over TLS; the query is a secret."""
        return f"https://{host}:{self.port}{path}?token=TENANTS"

    def start(self, directory: Path, job: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        """The stage as a process."""
        code = {} if "source" in job else {"code": "x = 1"}
        (directory / "job.json").write_text(json.dumps({"id": "test"} | code | job))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MANIMD_", "AWS_", "BUCKET_"))}
        env |= {f"MANIMD_{name.upper()}": str(value) for name, value in (self.options | options).items()}
        command = [str(MANIMD), "stage", "fetch", str(directory)]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, job: dict[str, Any], **options: Any) -> Fetched:
        """A stage to its end."""
        with attempt() as directory:
            began = time.monotonic()
            stage = self.start(directory, job, **options)
            _, stderr = stage.communicate(timeout=PATIENCE_S)
            left = Fetched(stage.returncode, json.loads((directory / "fetch.json").read_text()), stderr)
            left.seconds = time.monotonic() - began
            for path in sorted((directory / "fetched").iterdir()):
                left.files[path.name] = path.read_bytes()
                left.owners[path.name] = (path.stat().st_uid, path.stat().st_mode & 0o7777)
            return left

    def source(self, path: str = "/s.py", **options: Any) -> Fetched:
        """A job with a source alone."""
        return self.fetch({"source": self.url(path)}, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Files, int, int]]:
    """One for the module: certificates take a moment."""
    with serving(tmp_path_factory.mktemp("files")) as it:
        yield it


@pytest.fixture
def bench(server: tuple[Files, int, int]) -> Bench:
    """It, with nothing served yet."""
    files, port, plain_port = server
    files.answers.clear()
    files.asked.clear()
    files.heads.clear()
    files.certificate, files.silent = "server", False
    options = {"guard_allow": "127.0.0.0/8", "fetch_ca_file": files.directory / "ca.pem", "fetch_timeout_s": 20}
    return Bench(files, port, plain_port, options)


def asset(bench: Bench, path: str, **more: str) -> dict[str, str]:
    """An asset served at /PATH."""
    return {"path": path, "url": bench.url(f"/{path}")} | more


# ── what goes well ────────────────────────────────────────────────────────


def test_source_and_assets(bench: Bench) -> None:
    """All of them arrive, checked, and are the service's; nothing is decoded."""
    bench.files.serve("/s.py", SCENE)
    bench.files.serve("/cat.png", PICTURE)
    bench.files.serve("/sub/e.svg", b"")
    digest = hashlib.sha256(PICTURE).hexdigest().upper()
    job = {"source": bench.url("/s.py"), "assets": [asset(bench, "cat.png", sha256=digest), asset(bench, "sub/e.svg")]}
    left = bench.fetch(job).good()
    assert left.files == {"source": SCENE, "0": PICTURE, "1": b""}
    assert set(left.owners.values()) == {(os.geteuid(), 0o644)}
    assert left.result["requests"] == 3
    assert left.result["files"][1] == {"name": "0", "bytes": len(PICTURE), "sha256": digest.lower()}
    assert left.stderr == ""
    assert all("accept-encoding" not in head.lower() and "authorization" not in head.lower() for head in bench.files.heads)


def test_a_thousand_assets(bench: Bench) -> None:
    """They share the way; each is asked for once."""
    for i in range(1000):
        bench.files.serve(f"/a/{i}.txt", str(i).encode())
    left = bench.fetch({"assets": [asset(bench, f"a/{i}.txt") for i in range(1000)]}, fetch_timeout_s=55).good()
    assert left.files == {str(i): str(i).encode() for i in range(1000)}
    assert len(bench.files.asked) == 1000


def test_twice_on_one_directory(bench: Bench) -> None:
    """What an earlier run left is in nobody's way."""
    bench.files.serve("/s.py", SCENE)
    with attempt() as directory:
        for _ in range(2):
            stage = bench.start(directory, {"source": bench.url("/s.py")})
            assert stage.communicate(timeout=PATIENCE_S)[1] == "" and stage.returncode == 0
        assert (directory / "fetched" / "source").read_bytes() == SCENE


@pytest.mark.parametrize("level", ["none", "basic", "standard"])
def test_levels(bench: Bench, level: str) -> None:
    """At every level that this machine has."""
    if level == "standard" and os.geteuid() != 0:
        pytest.skip("not applicable: level standard: geteuid() is not 0")
    bench.files.serve("/s.py", SCENE)
    assert bench.source(sandbox=level).good().files == {"source": SCENE}


def test_plain_http_by_option(bench: Bench) -> None:
    """Never unless the operator says so."""
    bench.files.serve("/s.py", SCENE)
    url = f"http://localhost:{bench.plain_port}/s.py"
    bench.fetch({"source": url}, allow_http="true").good()
    asked = len(bench.files.asked)
    bench.fetch({"source": url}).bad("source_rejected", "must begin with https://")
    assert len(bench.files.asked) == asked


# ── time cures it ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["500 Oops", "503 Slow Down", "429 Wait", "408 Late"])
def test_again(bench: Bench, status: str) -> None:
    """What passes is asked for again."""
    bench.files.serve("/s.py", plain(CANARY.encode(), status), SCENE)
    left = bench.source().good()
    assert left.files["source"] == SCENE and left.result["requests"] == 2


def test_again_after_a_broken_line(bench: Bench) -> None:
    """A body that ends early is none; the next try's is whole, and counted once."""
    large = PICTURE * 70  # 0.7 of the bound
    short = raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(large) + large[:-1])
    bench.files.serve("/cat.png", short, raw(), large)
    left = bench.fetch({"assets": [asset(bench, "cat.png")]}, max_assets_mb=1).good()
    assert left.files["0"] == large and left.result["requests"] == 3


def test_retry_after_is_heeded(bench: Bench) -> None:
    """Within reason."""
    bench.files.serve("/s.py", plain(b"", "429 Wait", "Retry-After: 2"), SCENE)
    left = bench.source().good()
    assert left.seconds >= 2


def test_not_for_ever(bench: Bench) -> None:
    """After so many tries it is our fault, and the queue's to try again."""
    bench.files.serve("/s.py", plain(CANARY.encode(), "500 " + CANARY, f"X-Tell: {CANARY}"))
    left = bench.source(fetch_tries=3)
    assert left.bad("fetch_failed", "source: after 3 tries: its server answered 500")
    assert left.result["requests"] == 3 == len(bench.files.asked)


def test_nobody_there(bench: Bench) -> None:
    """No connection; no such name."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}/TENANTS"
        bench.fetch({"source": url}, fetch_tries=2).bad("fetch_failed", "onnection refused")
    bench.fetch({"source": "https://nowhere.invalid/TENANTS"}, fetch_tries=1).bad("fetch_failed", "does not resolve")


@pytest.mark.parametrize("phase", ["connect", "tls", "head", "body", "trickle", "headers"])
def test_hang(bench: Bench, phase: str) -> None:
    """At every phase its time ends."""
    url = bench.url("/s.py")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with socket.socket() as full:
        if phase == "connect":  # a backlog of one that is full
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(2)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            url = f"https://127.0.0.1:{full.getsockname()[1]}/s.py"
        bench.files.silent = phase == "tls"
        bench.files.serve(
            "/s.py",
            {
                "head": raw(then_wait=True),
                "body": raw(head + b"x", then_wait=True),
                "trickle": trickle(head),
                "headers": trickle(b"HTTP/1.1 200 OK\r\nX-Long: "),
            }.get(phase, plain(SCENE)),
        )
        left = bench.fetch({"source": url}, fetch_timeout_s=1)
        left.bad("fetch_failed", "within")
        assert 0.3 < left.seconds < 6, left.seconds  # no new try begins that had no time


def test_cancelled(bench: Bench) -> None:
    """SIGTERM ends it at once; nothing of it lives on."""
    bench.files.serve("/s.py", raw(then_wait=True))
    with attempt() as directory:
        stage = bench.start(directory, {"source": bench.url("/s.py")})
        deadline = time.monotonic() + PATIENCE_S
        while not bench.files.asked:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        uid = (directory / "fetched").stat().st_uid
        began = time.monotonic()
        stage.send_signal(signal.SIGTERM)
        stage.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - began < 2
        assert stage.returncode == 3
        assert json.loads((directory / "fetch.json").read_text())["outcome"] == "cancelled"
        if uid:
            assert [p for p in Path("/proc").glob("[0-9]*") if p.exists() and p.stat().st_uid == uid] == []


NAMESPACES = ("mnt", "ipc", "uts", "cgroup", "pid_for_children")


def runs_as(uid: int) -> list[Path]:
    """The processes of a uid."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError):
            if path.stat().st_uid == uid:
                found.append(path)
    return found


def test_namespaces(bench: Bench) -> None:
    """It shares the network with us, and nothing else; the result says so."""
    bench.files.serve("/s.py", SCENE)
    offered = bench.source().good().result["sandbox"]
    state = offered["layers"]["namespaces"]
    if state != "active" or os.geteuid() != 0:
        pytest.skip(f"not applicable: doctor's probe of namespaces, as root: {state}")
    assert offered["namespaces"] == "pid mount ipc uts cgroup"
    bench.files.serve("/s.py", raw(then_wait=True))
    bench.files.asked.clear()
    with attempt() as directory:
        stage = bench.start(directory, {"source": bench.url("/s.py")})
        while not bench.files.asked:
            assert stage.poll() is None
            threading.Event().wait(0.01)
        (fetcher,) = runs_as((directory / "fetched").stat().st_uid)
        for name in NAMESPACES:
            assert os.readlink(fetcher / "ns" / name) != os.readlink(f"/proc/self/ns/{name}"), name
        assert os.readlink(fetcher / "ns" / "net") == os.readlink("/proc/self/ns/net")
        assert not (fetcher / "root" / "etc" / "passwd").exists()
        assert (fetcher / "status").read_text().partition("NSpid:")[2].split("\n")[0].split()[1] == "1"
        stage.send_signal(signal.SIGTERM)
        stage.communicate(timeout=PATIENCE_S)


# ── what no retry cures ───────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["404 No", "403 No", "401 No", "410 Gone", "204 None", "206 Part", "418 Tea"])
def test_no(bench: Bench, status: str) -> None:
    """It is asked once, and the job is told."""
    bench.files.serve("/s.py", plain(CANARY.encode(), f"{status} {CANARY}", f"X-Tell: {CANARY}"))
    bench.source().bad("source_rejected", f"source: its server answered {status[:3]}")
    assert len(bench.files.asked) == 1


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "https://localhost:{port}/other", "/other"])
def test_redirect(bench: Bench, target: str) -> None:
    """None is followed, wherever it leads."""
    bench.files.serve("/other", SCENE)
    location = target.format(port=bench.port)
    bench.files.serve("/s.py", plain(CANARY.encode(), "302 Found", f"Location: {location}"))
    message = bench.source().bad("source_rejected", "302, a redirect, which is not followed")
    assert "169.254" not in message and "other" not in message
    assert len(bench.files.asked) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_the_guard(bench: Bench, host: str) -> None:
    """Without the exception not even a connection is made."""
    bench.files.serve("/s.py", SCENE)
    url = f"https://{host}:{bench.port}/s.py"
    bench.fetch({"source": url}, guard_allow="").bad("source_rejected", "refused: its address is not public")
    assert bench.files.asked == []


@pytest.mark.parametrize(
    "how",
    [
        plain(b"#" * (1 << 20) + b"#"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", then_wait=True),
        endless(LENGTHLESS, b"#" * 65536),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"#" * 65536 + b"\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"#" * (1 << 28))),
    ],
    ids=["one byte", "says so", "endless", "chunks", "bomb"],
)
def test_too_large(bench: Bench, how: Any) -> None:
    """Said by its length, or seen when it is passed."""
    bench.files.serve("/s.py", how)
    left = bench.source()
    left.bad("source_rejected", "source: has more than the 1048576 bytes that are allowed")
    assert left.seconds < 10


def test_exactly_as_large_as_allowed(bench: Bench) -> None:
    """The bound itself is allowed."""
    bench.files.serve("/s.py", raw(LENGTHLESS + b"#" * (1 << 20)))
    assert len(bench.source().good().files["source"]) == 1 << 20


def test_assets_together(bench: Bench) -> None:
    """The bound is for all of them."""
    for name in "abc":
        bench.files.serve(f"/{name}", b"x" * 400_000)
    job = {"assets": [asset(bench, name) for name in "abc"]}
    bench.fetch(job, max_assets_mb=1).bad("source_rejected", "more than the 1048576 bytes that are allowed")
    bench.fetch({"assets": job["assets"][:2]}, max_assets_mb=1).good()


@pytest.mark.parametrize("coding", ["gzip", "br", "identity"])
def test_nothing_is_unpacked(bench: Bench, coding: str) -> None:
    """What comes compressed unasked is no file of the job's."""
    bench.files.serve("/s.py", plain(SCENE, "200 OK", f"Content-Encoding: {coding}"))
    left = bench.source()
    if coding == "identity":
        left.good()
    else:
        left.bad("source_rejected", "comes compressed")


@pytest.mark.parametrize(("body", "words"), [(b"", "is empty"), (b"\xff\xfe", "is no UTF-8"), (b"a\0b", "is no UTF-8")])
def test_no_text(bench: Bench, body: bytes, words: str) -> None:
    """A source is text."""
    bench.files.serve("/s.py", body)
    bench.source().bad("source_rejected", words)


def test_another_file(bench: Bench) -> None:
    """The digest decides; what it was is not told."""
    bench.files.serve("/cat.png", PICTURE)
    job = {"assets": [asset(bench, "cat.png", sha256="0" * 64)]}
    message = bench.fetch(job).bad("source_rejected", 'asset "cat.png": its SHA-256 is not the one')
    assert hashlib.sha256(PICTURE).hexdigest() not in message


def test_certificates(bench: Bench, tmp_path: Path) -> None:
    """Another host's, and one that nobody vouches for; our own missing file is our fault."""
    bench.files.serve("/s.py", SCENE)
    bench.source(fetch_ca_file="").bad("source_rejected", "source: ")
    bench.source(fetch_ca_file=tmp_path / "none.pem").bad("host_error", "none.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    bench.source(fetch_ca_file=tmp_path / "bad.pem").bad("fetch_failed", "source: ")
    bench.files.certificate = "wrong"
    bench.source().bad("source_rejected", "source: ")
    assert bench.files.asked == []


@pytest.mark.parametrize("how", [raw(b"SSH-2.0-SECRET-BODY\r\n"), raw(b"HTTP/9.9 SECRET-BODY\r\n\r\n"),
                                 endless(b"HTTP/1.1 200 OK\r\n", b"X: SECRET-BODY" * 5000 + b"\r\n"),
                                 raw(b"HTTP/1.1 200 OK\r\nContent-Length: SECRET-BODY\r\n\r\n"),
                                 raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET-BODY\r\n\r\nx")],
                         ids=["ssh", "version", "flood", "length", "coding"])  # fmt: skip
def test_no_http(bench: Bench, how: Any) -> None:
    """Whatever it speaks, nothing of it is told."""
    bench.files.serve("/s.py", how)
    left = bench.source(fetch_tries=1)
    assert left.result["outcome"] in ("fetch_failed", "source_rejected"), left
    left.bad(left.result["outcome"], "source: ")


@pytest.mark.parametrize("letter", ["ä", "€", "🎬"])
def test_a_long_name_is_cut_between_letters(bench: Bench, letter: str) -> None:
    """Half a character would be no JSON."""
    for path in (f"{letter * 40}.png", f"x{letter * 40}.png"):
        here = {"path": path, "url": bench.url("/none")}
        message = bench.fetch({"assets": [here]}).bad("source_rejected", '…": its server answered 404')
        assert message.startswith(f'asset "{path[:10]}')


def test_the_first_no_ends_all(bench: Bench) -> None:
    """While others are on their way."""
    bench.files.serve("/slow", raw(then_wait=True))
    job = {"assets": [asset(bench, "slow"), asset(bench, "gone")]}
    left = bench.fetch(job)
    left.bad("source_rejected", 'asset "gone": its server answered 404')
    assert left.seconds < 5


# ── S3 ────────────────────────────────────────────────────────────────────


def s3_options(stub: Stub, **more: str) -> dict[str, str]:
    """The operator's."""
    keys = {"fetch_s3_access_key_id": ACCESS_KEY, "fetch_s3_secret_access_key": SECRET_KEY}
    return {"fetch_s3_endpoint": stub.endpoint, "fetch_s3_prefixes": f"s3://{BUCKET}/in/"} | keys | more


def expired(handler: Any) -> bool:
    """Amazon's words for a presigned URL that is past its time by the server's clock."""
    words = f"<Error><Code>AccessDenied</Code><Message>{CANARY}</Message><ServerTime>2026</ServerTime></Error>"
    handler.reply(403, words.encode())
    return True


def test_s3(bench: Bench, stub: Stub) -> None:
    """Signed by the worker, on a machine of the operator's own; the stage has no key."""
    stub.objects["in/s.py"] = Object(SCENE, {})
    stub.objects["in/ä b?.png"] = Object(PICTURE, {})
    bench.files.serve("/cat.png", PICTURE)
    here = [{"path": "b.png", "url": f"s3://{BUCKET}/in/ä b?.png"}, asset(bench, "cat.png")]
    job = {"source": f"s3://{BUCKET}/in/s.py", "assets": here}
    left = bench.fetch(job, **s3_options(stub)).good()
    assert left.files == {"source": SCENE, "0": PICTURE, "1": PICTURE}


def test_s3_says_no(bench: Bench, stub: Stub) -> None:
    """What is not there is the job's fault; a key that does not hold is ours."""
    job = {"source": f"s3://{BUCKET}/in/none.py"}
    bench.fetch(job, **s3_options(stub)).bad("source_rejected", "source: is not there")
    stub.fault("GET", answers(403, "AccessDenied", CANARY))
    bench.fetch(job, **s3_options(stub)).bad("source_rejected", "may not read it")
    wrong = s3_options(stub, fetch_s3_secret_access_key="wrong")
    bench.fetch(job, **wrong).bad("fetch_failed", "check the fetch_s3_")
    stub.fault("GET", expired)
    bench.fetch(job, **s3_options(stub)).bad("fetch_failed", "clock")


def test_s3_again(bench: Bench, stub: Stub) -> None:
    """S3 is slow now and then."""
    stub.objects["in/s.py"] = Object(SCENE, {})
    stub.fault("GET", answers(503, "SlowDown"), times=2)
    assert bench.fetch({"source": f"s3://{BUCKET}/in/s.py"}, **s3_options(stub)).good().result["requests"] == 3
