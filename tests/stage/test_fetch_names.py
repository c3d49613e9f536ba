"""Where names lead to: the guard judges the address that is connected to, in a
network of the test's own with a DNS server that lies."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from files_server import make_certificates
from render_tools import MANIMD, attempt

HERE = Path(__file__).parent
PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1::1"
LISTEN = [PUBLIC, PUBLIC_6, "127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "fd00::1", "100.64.0.1"]


@functools.cache
def why_not() -> str:
    """What keeps this machine from making such a network; "" when nothing does."""
    for program in ("unshare", "ip", "mount"):
        if not shutil.which(program):
            return f"not applicable: {program} is not installed"
    words = ["unshare", "--net", "--mount", "--", "sh", "-c", "ip link set lo up && mount --bind /etc/hosts /etc/hosts"]
    done = subprocess.run(words, capture_output=True, text=True)
    return f"not applicable: unshare --net --mount: {done.stderr.strip()[-100:]}" if done.returncode else ""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the name that all cases use."""
    path = tmp_path_factory.mktemp("names")
    make_certificates(path, "DNS:files.test")
    return path


def fetch(certificates: Path, addresses: list[str] | None, **options: Any) -> dict[str, Any]:
    """A job whose source is on files.test, which has these addresses."""
    if reason := why_not():
        pytest.skip(reason)
    with attempt() as directory:
        case = {
            "names": {"files.test": addresses},
            "job": {"id": "names", "source": "https://files.test/s.py"},
            "options": {"fetch_ca_file": str(certificates / "ca.pem"), "fetch_timeout_s": 20, "fetch_tries": 1} | options,
            "directory": str(directory),
            "listen": LISTEN,
            "certificates": str(certificates),
            "manimd": str(MANIMD),
        }
        (directory / "case.json").write_text(json.dumps(case))
        words = ["unshare", "--net", "--mount", "--", sys.executable, str(HERE / "names_house.py")]
        done = subprocess.run([*words, str(directory / "case.json")], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.mark.parametrize("addresses", [[PUBLIC], [PUBLIC_6], [PUBLIC, PUBLIC_6]], ids=["v4", "v6", "both"])
def test_a_public_name(certificates: Path, addresses: list[str]) -> None:
    """Names are resolved inside the box, by DNS."""
    said = fetch(certificates, addresses)
    assert said["result"]["outcome"] == "completed", said
    assert said["asked"] == ["/s.py"] and "files.test 1" in said["questions"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0"]
    + ["::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "fd00::1", "64:ff9b::7f00:1", "::"],
)
def test_a_name_that_leads_inside(certificates: Path, address: str) -> None:
    """Somebody listens at every one of them, and hears nothing."""
    said = fetch(certificates, [address])
    assert said["result"]["outcome"] == "source_rejected", said
    assert said["status"] == 1
    assert "refused: its address is not public" in said["result"]["error"]["message"]
    assert said["asked"] == []


def test_of_several_the_public_one(certificates: Path) -> None:
    """Those that are refused are passed over."""
    said = fetch(certificates, ["10.1.2.3", PUBLIC, "fd00::1"])
    assert said["result"]["outcome"] == "completed", said
    assert said["asked"] == ["/s.py"]


def test_an_exception(certificates: Path) -> None:
    """The operator's own network, by name."""
    assert fetch(certificates, ["10.1.2.3"], guard_allow="10.1.0.0/16")["result"]["outcome"] == "completed"


def test_no_such_name(certificates: Path) -> None:
    """Names come and go: ours, tried again."""
    said = fetch(certificates, [])
    assert said["result"]["outcome"] == "fetch_failed" and said["status"] == 3
    assert "does not resolve" in said["result"]["error"]["message"]


def test_a_resolver_that_is_silent(certificates: Path) -> None:
    """It does not hold us longer than fetch_timeout_s."""
    said = fetch(certificates, None, fetch_timeout_s=2)
    assert said["result"]["outcome"] == "fetch_failed", said
    assert said["seconds"] < 5, said
