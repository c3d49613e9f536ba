"""Webhooks over TLS, by the real courier: which certificates it takes, and where it will not be led."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import house
import pytest
from conftest import WorkerMaker
from house import Queue, Redis
from test_webhook import ALLOWED, QUICK, SECRET, Receiver, outbox, receiving, refused, verify, wait_hook

METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


class Authority:
    """A CA of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "ca.pem"
        self._openssl("req", "-x509", *self._new_key("ca"), "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    @staticmethod
    def _new_key(name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]

    def server(self, name: str, names: str, *validity: str) -> ssl.SSLContext:
        """A server's side, with a certificate for these names."""
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._openssl("req", *self._new_key(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", f"{name}.pem", "-extfile", f"{name}.ext", *(validity or ("-days", "2")))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all of them."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def secure(authority: Authority) -> Iterator[Receiver]:
    """A receiver that is localhost, as its certificate says."""
    with receiving(tls=authority.server("localhost", "DNS:localhost")) as it:
        yield it


SECURE = QUICK | {"allow_http": "false", "guard_allow": "127.0.0.0/8 ::1", "webhook_tries": 1}


def test_delivered_over_tls(authority: Authority, secure: Receiver, queue: Queue, redis: Redis, start_worker: WorkerMaker) -> None:
    """https only, an authority of the operator's own, signed as ever."""
    start_worker(**SECURE, webhook_ca_file=authority.file).ready()
    job_id = refused(queue, secure.url)
    ended = wait_hook(queue, job_id, "delivered", "given up")
    assert ended["hook"] == "delivered", ended
    verify(secure.heard[0], SECRET)
    assert secure.heard[0].event["data"]["id"] == job_id
    assert outbox(redis) == []


CERTIFICATES = {
    "another host": ("DNS:example.org", ()),
    "another address": ("IP:127.0.0.2", ()),
    "expired": ("DNS:localhost", ("-days", "-1")),
}


def test_a_wrong_certificate_hears_nothing(authority: Authority, queue: Queue, start_worker: WorkerMaker) -> None:
    """Not a byte of the body; the hash says what is wrong with it."""
    worker = start_worker(**SECURE, webhook_ca_file=authority.file).ready()
    with ExitStack() as stack:
        jobs = {}
        for case, (names, validity) in CERTIFICATES.items():
            tls = authority.server(case.replace(" ", "-"), names, *validity)
            receiver = stack.enter_context(receiving(tls=tls))
            jobs[case] = (receiver, refused(queue, receiver.url))
        for case, (receiver, job_id) in jobs.items():
            ended = wait_hook(queue, job_id, "delivered", "given up")
            assert ended["hook"] == "given up" and ended["hookcode"] == "0", (case, ended)
            assert "certificate" in ended["hookwhy"] and "TENANTS" not in ended["hookwhy"], (case, ended)
            assert receiver.heard == []
    assert SECRET.removeprefix("whsec_") not in worker.log.text()


def test_an_unknown_authority(secure: Receiver, queue: Queue, start_worker: WorkerMaker) -> None:
    """Without webhook_ca_file the system's authorities decide: a test's is none of them."""
    start_worker(**SECURE).ready()
    ended = wait_hook(queue, refused(queue, secure.url), "delivered", "given up")
    assert ended["hook"] == "given up" and "certificate" in ended["hookwhy"], ended
    assert secure.heard == []


def test_plain_http_under_an_https_url(queue: Queue, start_worker: WorkerMaker) -> None:
    """A receiver that speaks no TLS hears nothing that it could read."""
    start_worker(**SECURE).ready()
    with receiving() as plain:
        ended = wait_hook(queue, refused(queue, f"https://localhost:{plain.port}/"), "delivered", "given up")
        assert ended["hook"] == "given up", ended
        assert plain.heard == []


def test_redirects_lead_nowhere(authority: Authority, queue: Queue, start_worker: WorkerMaker) -> None:
    """To the metadata service, or to somebody who could be reached: nobody is asked."""
    start_worker(**SECURE | ALLOWED, webhook_ca_file=authority.file).ready()
    tls = authority.server("redirects", "DNS:localhost")
    with receiving() as reachable, ExitStack() as stack:
        jobs = []
        for status in (301, 302, 303, 307, 308):
            for location in (METADATA, reachable.url):
                receiver = stack.enter_context(receiving(tls=tls))
                receiver.usual = (status, {"location": location})
                jobs.append((status, receiver, refused(queue, receiver.url)))
        for status, receiver, job_id in jobs:
            ended = wait_hook(queue, job_id, "delivered", "given up")
            assert (ended["hook"], ended["hookcode"]) == ("given up", str(status)), ended
            assert "redirects are not followed" in ended["hookwhy"] and "169.254" not in ended["hookwhy"]
            assert len(receiver.heard) == 1
        assert reachable.heard == []


def test_the_metadata_service_itself(queue: Queue, start_worker: WorkerMaker) -> None:
    """As a webhook's own address: refused before a socket is connected, also in disguise."""
    start_worker(**SECURE).ready()
    hosts = ("169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]")
    for job_id in [refused(queue, f"https://{host}/latest/") for host in hosts]:
        ended = wait_hook(queue, job_id, "delivered", "given up")
        assert "refused: its address is not public" in ended["hookwhy"], ended


def test_another_authority_by_sighup(
    authority: Authority, secure: Receiver, queue: Queue, directory: Path, start_worker: WorkerMaker
) -> None:
    """The operator adds it while the worker runs; what was owed is delivered then."""
    conf = directory / "manimd.conf"
    conf.write_text("")
    worker = start_worker(env={"MANIMD_CONFIG": str(conf)}, **SECURE | {"webhook_tries": 10}).ready()
    job_id = refused(queue, secure.url)
    wait_hook(queue, job_id, "retrying")
    conf.write_text(f"webhook_ca_file = {authority.file}\n")
    worker.signal(house.signal.SIGHUP)
    worker.log.wait("changed from now on: webhook_ca_file")
    wait_hook(queue, job_id, "delivered")
