"""The store stage with a directory for a store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_tools import BUILD, NONCE, ROOT, Attempt, sha256

MIB = 1024 * 1024
FILES = {"scene.mp4": b"video" * 1000, "frame.png": b"png", "scene.gif": b""}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where things are stored; the stage makes it."""
    return tmp_path / "store"


@pytest.fixture
def attempt(driver: Path, tmp_path: Path, store: Path) -> Attempt:
    """Three small files."""
    return Attempt(driver, tmp_path / "a", FILES, env={"MANIMD_STORE_DIR": str(store)})


@contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    """A small tmpfs; not applicable where one cannot be mounted."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not applicable: mount -t tmpfs: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def names(root: Path) -> list[str]:
    """All files beneath a directory."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_files_are_stored(attempt: Attempt, store: Path) -> None:
    """Bytes, keys, paths, hashes; nothing else lies there."""
    result = attempt.run().good()
    assert names(store) == sorted(f"job-1/{NONCE}/{name}" for name in FILES)
    for output, (name, data) in zip(result["outputs"], FILES.items(), strict=True):
        assert output["key"] == f"job-1/{NONCE}/{name}"
        assert output["url"] == str(store / output["key"])
        assert Path(output["url"]).read_bytes() == data
        assert (output["bytes"], output["sha256"], output["verified"]) == (len(data), sha256(data), True)
        assert output["width"] == 4
    assert result["requests"] == 0


def test_the_command(attempt: Attempt, store: Path) -> None:
    """`manimd stage store DIR`, as the worker starts it: options and nonce from the environment."""
    (attempt.dir / "job.json").write_text('{"id": "job-1", "code": "x = 1"}')
    env = {"PATH": os.environ["PATH"], "MANIMD_STAGE_NONCE": "a" * 32} | attempt.env
    subprocess.run([ROOT / BUILD / "manimd", "stage", "store", attempt.dir], env=env, check=True)
    output = attempt.result()["outputs"][0]
    assert output["key"] == f"job-1/{'a' * 32}/scene.mp4"
    assert (store / output["key"]).read_bytes() == FILES["scene.mp4"]


def test_twice_is_harmless(attempt: Attempt, store: Path) -> None:
    """The same files again."""
    first = attempt.run().good()
    assert attempt.run().good()["outputs"] == first["outputs"]
    assert len(names(store)) == len(FILES)


def test_prefix(attempt: Attempt, store: Path) -> None:
    """Directories of it are made."""
    attempt.run(MANIMD_S3_PREFIX="/a b/Ünï/").good()
    assert (store / "a b/Ünï/job-1" / NONCE / "scene.mp4").read_bytes() == FILES["scene.mp4"]


def test_a_later_attempt_does_not_touch_an_earlier(attempt: Attempt, store: Path) -> None:
    """Keys hold the nonce."""
    attempt.run().good()
    attempt.nonce = "f" * 32
    (attempt.dir / "out/scene.mp4").write_bytes(b"other")
    attempt.run().good()
    assert (store / "job-1" / NONCE / "scene.mp4").read_bytes() == FILES["scene.mp4"]
    assert (store / "job-1" / ("f" * 32) / "scene.mp4").read_bytes() == b"other"


@pytest.fixture
def huge(driver: Path, tmp_path: Path, store: Path) -> Attempt:
    """A file that takes a while to be copied."""
    attempt = Attempt(driver, tmp_path / "a", {"scene.mp4": b""}, env={"MANIMD_STORE_DIR": str(store)})
    os.truncate(attempt.dir / "out/scene.mp4", 512 * MIB)
    return attempt


def test_a_killed_copy_leaves_no_half_file(huge: Attempt, store: Path) -> None:
    """kill -9 in mid-copy: nothing under the final name, no result; the next run is good."""
    process = huge.popen()
    assert process.stdout
    process.stdout.readline()  # the first piece is copied
    process.kill()
    process.communicate()
    left = names(store)
    assert len(left) == 1 and left[0].endswith(".part"), left
    assert 0 < (store / left[0]).stat().st_size < 512 * MIB
    assert huge.result() == {}
    huge.run().good()
    assert (store / "job-1" / NONCE / "scene.mp4").stat().st_size == 512 * MIB


def test_sigterm_stops_a_copy(huge: Attempt, store: Path) -> None:
    """And takes the half file away."""
    process = huge.popen()
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 3 and huge.result()["outcome"] == "cancelled"
    assert names(store) == []


def test_no_space(driver: Path, tmp_path: Path) -> None:
    """Said so, and the half file is gone."""
    with mounted(tmp_path / "small", "size=1m") as small:
        files = {"frame.png": b"p", "scene.mp4": bytes(2 * MIB)}
        attempt = Attempt(driver, tmp_path / "a", files, env={"MANIMD_STORE_DIR": str(small)})
        message = attempt.run().bad("No space left on device: free some, or set store_dir to where there is room")
        assert message.startswith(f'write "{small}/job-1/{NONCE}/scene.mp4": ')
        assert names(small) == [f"job-1/{NONCE}/frame.png"]


def test_read_only(attempt: Attempt, tmp_path: Path) -> None:
    """A store that is mounted read-only."""
    with mounted(tmp_path / "ro", "ro") as ro:
        attempt.run(MANIMD_STORE_DIR=str(ro)).bad("Read-only file system: mount it for writing")


def test_not_ours(attempt: Attempt, store: Path) -> None:
    """A store that this user may not write to."""
    if os.geteuid() == 0:
        pytest.skip("not applicable: geteuid() is 0, and root may write everywhere")
    store.mkdir(mode=0o555)
    attempt.run().bad("Permission denied: let this user write there")


@pytest.mark.parametrize(
    ("path", "words"),
    [("relative", "must be an absolute path"), ("/nowhere/at/all", "No such file or directory: create it")],
)
def test_no_directory(attempt: Attempt, path: str, words: str) -> None:
    """A wrong store_dir is named."""
    assert f'"{path}"' in attempt.run(MANIMD_STORE_DIR=path).bad(words)


def test_a_file_stands_in_the_way(attempt: Attempt, store: Path) -> None:
    """Where a directory should be."""
    store.mkdir()
    (store / "job-1").write_text("a file")
    attempt.run().bad("Not a directory")


def test_links_in_the_store_are_not_followed(attempt: Attempt, store: Path, tmp_path: Path) -> None:
    """The store's tree is ours alone."""
    store.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (store / "job-1").symlink_to(tmp_path / "elsewhere")
    attempt.run().bad("job-1")
    assert names(tmp_path / "elsewhere") == []


# ── what the encoder left is a stranger's ─────────────────────────────────


def host_error(attempt: Attempt, words: str) -> None:
    """Not the store's fault, and nothing is stored."""
    ended = attempt.run()
    assert ended.code == 3 and ended.result["outcome"] == "host_error", ended
    assert words in ended.result["error"]["message"], ended.result


def test_an_output_that_is_a_link(attempt: Attempt, store: Path) -> None:
    """To a file with secrets, say."""
    (attempt.dir / "out/scene.mp4").unlink()
    (attempt.dir / "out/scene.mp4").symlink_to("/etc/passwd")
    host_error(attempt, "scene.mp4")
    assert not store.exists()


def test_an_output_with_two_names(attempt: Attempt) -> None:
    """A hard link to somebody's file."""
    os.link(attempt.dir / "out/scene.mp4", attempt.dir / "out/other")
    host_error(attempt, "scene.mp4")


def test_an_output_that_is_a_pipe(attempt: Attempt) -> None:
    """Nobody waits for a writer."""
    (attempt.dir / "out/frame.png").unlink()
    os.mkfifo(attempt.dir / "out/frame.png")
    host_error(attempt, "frame.png")


def test_an_output_of_another_owner(attempt: Attempt) -> None:
    """Not the encoder's."""
    if os.geteuid() != 0:
        pytest.skip("not applicable: geteuid() is not 0, so nothing can be given to another owner")
    os.chown(attempt.dir / "out/scene.mp4", 12345, 12345)
    host_error(attempt, "scene.mp4")


def test_an_output_that_is_not_there(attempt: Attempt) -> None:
    """Named."""
    (attempt.dir / "out/scene.mp4").unlink()
    host_error(attempt, "scene.mp4")


def test_what_is_ours_to_say_is_said_by_us_alone(attempt: Attempt, store: Path) -> None:
    """An encoder that a scene has taken over names no URL and no key."""
    path = attempt.dir / "render.json"
    render = json.loads(path.read_text())
    for output in render["outputs"]:
        output |= {"key": "k", "url": "https://evil.example/", "bytes": 1, "sha256": "0", "verified": 7}
    path.write_text(json.dumps(render))
    result = attempt.run().good()
    text = (attempt.dir / "store.json").read_text()
    assert "evil" not in text and result["outputs"][0]["url"].startswith(str(store))
    for key in ("key", "url", "bytes", "sha256", "verified"):
        assert text.count(f'"{key}":') == len(FILES)


@pytest.mark.parametrize("name", ["../render.json", "a/b", "", ".hidden", "x\\ny"])
def test_a_bad_name(attempt: Attempt, name: str) -> None:
    """render.json may name plain files only."""
    (attempt.dir / "render.json").write_text('{"outputs": [{"name": "%s"}]}' % name)
    host_error(attempt, "without a good name")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"outputs": []}', '{"outputs": 5}'])
def test_a_bad_render_json(attempt: Attempt, text: str) -> None:
    """Broken, or without outputs."""
    (attempt.dir / "render.json").write_text(text)
    host_error(attempt, "render.json")
