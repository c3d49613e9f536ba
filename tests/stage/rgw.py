"""A real S3 server for tests: Ceph's RGW, started from the distribution's packages.

One monitor, one OSD on a sparse file and one gateway, all on loopback and on
free ports, in a temporary directory of their own, stopped by their process
ids. No manager is needed; the whole takes about 16 s, so the fixture lives as
long as the session. Packages: radosgw, ceph-mon, ceph-osd.

Fixture: `rgw`. Elsewhere: `yield from rgw.session()`.
By hand: `python3 tests/stage/rgw.py` prints how to reach it until Enter.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ACCESS_KEY = "MANIMDTESTKEY0000001"
SECRET_KEY = "manimd/test+secret/0123456789abcdefghij"
BUCKET = "videos"
PATIENCE_S = 90.0
STARTS = 4
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")

CONFIG = """\
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
mon allow pool size one = true
mon data avail crit = 0
mon data avail warn = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = bluestore
osd memory target = 939524096
bluestore block create = true
bluestore block size = 10737418240
run dir = {root}
log file = {root}/$name.log
admin socket = {root}/$name.asok
pid file =
mon data = {root}/mon
osd data = {root}/osd
rgw data = {root}/rgw
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw thread pool size = 16
rgw enable usage log = false
rgw run sync thread = false
"""


def free_port() -> int:
    """A loopback port that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, ready: Any) -> None:
    """Asks again until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


@dataclass
class Rgw:
    """A running gateway and how to reach it."""

    root: Path
    endpoint: str = ""
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    bucket: str = BUCKET
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def client(self) -> Any:
        """botocore's client, as an independent reader."""
        import botocore.session
        from botocore.config import Config

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def call(self, *command: str) -> str:
        """Runs one of Ceph's tools to its end."""
        done = subprocess.run(
            [command[0], "-c", str(self.root / "ceph.conf"), *command[1:]],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def spawn(self, *command: str) -> None:
        """Starts a daemon in the foreground, in a session of its own."""
        name = Path(command[0]).name
        with (self.root / f"{name}.out").open("wb") as out:
            self.processes.append(
                subprocess.Popen(
                    [command[0], "-f", "-c", str(self.root / "ceph.conf"), *command[1:]],
                    cwd=self.root,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )

    def start(self) -> None:
        """Monitor, OSD, gateway, user, bucket."""
        rgw_port, mon_port = free_port(), free_port()
        fsid, osd_uuid = str(uuid.uuid4()), str(uuid.uuid4())
        text = CONFIG.format(fsid=fsid, root=self.root, mon_port=mon_port, rgw_port=rgw_port)
        (self.root / "ceph.conf").write_text(text)
        for name in ("mon", "osd", "rgw"):
            (self.root / name).mkdir()
        self.call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{mon_port}]", "monmap")
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
        self.spawn("ceph-mon", "-i", "a")
        self.call("ceph", "osd", "new", osd_uuid)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_uuid)
        self.spawn("ceph-osd", "-i", "0")
        self.call("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        self.spawn("radosgw", "-n", "client.gateway")
        self.endpoint = f"http://127.0.0.1:{rgw_port}"
        wait_for("the gateway", self.answers)
        self.call(
            *("radosgw-admin", "-n", "client.gateway", "user", "create", "--uid=manimd", "--display-name=manimd"),
            *(f"--access-key={self.access_key}", f"--secret-key={self.secret_key}"),
        )
        self.client().create_bucket(Bucket=self.bucket)

    def answers(self) -> bool:
        """Whether anything speaks HTTP there; an error if a process has gone."""
        for process in self.processes:
            if process.poll() is not None:
                name = Path(process.args[0]).name  # type: ignore[index]
                said = (self.root / f"{name}.out").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{said}")
        try:
            urllib.request.urlopen(self.endpoint, timeout=2).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self) -> None:
        """Ends what was started, the last first."""
        for process in reversed(self.processes):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def remove(self) -> None:
        """Stops it and deletes what it stored."""
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


def session() -> Iterator[Rgw]:
    """A gateway for as long as the generator lives."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise RuntimeError(f"not installed: {', '.join(missing)}: scripts/setup --tests installs them")
    gateway = started()
    try:
        yield gateway
    finally:
        gateway.remove()


def started() -> Rgw:
    """A gateway that answers.

    On a busy machine a young monitor now and then answers its own OSD or tool
    with EPERM "wrong fsid" (seen with 16.2.15, three starting at once): then
    all of it is started anew, elsewhere.
    """
    for left in range(STARTS - 1, -1, -1):
        gateway = Rgw(Path(tempfile.mkdtemp(prefix="rgw-")))
        try:
            gateway.start()
            return gateway
        except BaseException as error:
            gateway.remove()
            if left == 0 or not isinstance(error, (RuntimeError, TimeoutError, subprocess.TimeoutExpired)):
                raise
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def rgw() -> Iterator[Rgw]:
    """Ceph's RGW with one bucket, for the whole session."""
    yield from session()


def main() -> None:
    """For trying things by hand."""
    began = time.monotonic()
    for gateway in session():
        print(f"ready after {time.monotonic() - began:.1f} s: s3_endpoint={gateway.endpoint}")
        print(f"s3_bucket={gateway.bucket} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}")
        sys.stdin.readline()


if __name__ == "__main__":
    main()
