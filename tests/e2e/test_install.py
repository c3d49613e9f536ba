"""`make install`: what lies beneath the prefix is enough."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import house
import pytest
from house import BUILD, GOOD, ROOT, environment, plays


def run(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=180
    )


def strings(value: object) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


def test_systemd_understands_the_unit(directory: Path) -> None:
    """Every line of it, by systemd's own words."""
    verifier = shutil.which("systemd-analyze")
    if not verifier:
        pytest.skip("not applicable: systemd-analyze: not installed (package systemd)")
    unit = directory / "manimd.service"
    unit.write_text((ROOT / "systemd/manimd.service").read_text().replace("/usr/local/bin/manimd", "/bin/true"))
    done = subprocess.run([verifier, "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_installed_manimd_renders_with_what_was_installed(directory: Path) -> None:
    """It uses nothing of the source tree."""
    directory.chmod(0o755)
    prefix = directory / "prefix"
    build = os.path.relpath(BUILD.resolve(), ROOT)
    made = run("make", "-s", "install", f"PREFIX={prefix}", f"BUILD={build}", cwd=ROOT)
    assert made.returncode == 0, made.stderr
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {"bin/manimd", "libexec/manimd-encode", "share/manimd/harness/zygote.py"} <= files
    manimd = prefix / "bin" / "manimd"
    assert f"ExecStart={manimd} work" in (prefix / "lib/systemd/system/manimd.service").read_text()
    (directory / "good.py").write_text(GOOD)
    tmp = directory / "tmp"
    tmp.mkdir(mode=0o711)
    done = run(manimd, "render", "good.py", "-q", "480p15", "-o", "out.mp4", cwd=directory, TMPDIR=str(tmp))
    assert done.returncode == 0, done.stderr
    plays(directory / "out.mp4")
    assert list(tmp.iterdir()) == []

    told = json.loads(run(manimd, "doctor", "--json", cwd=directory).stdout)
    ours = [text for text in strings(told) if "manimd-encode" in text or "harness" in text]
    assert any("manimd-encode" in text for text in ours) and any("harness" in text for text in ours), told
    assert all(str(prefix) in text for text in ours), ours
    assert not any(str(ROOT) in text for text in strings(told)), told
    assert house.BUILD.exists()
