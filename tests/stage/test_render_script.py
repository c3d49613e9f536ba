"""`manimd render FILE`: the script finds its pictures and sibling modules,
also in a folder that the sandbox's user cannot enter."""

from __future__ import annotations

from pathlib import Path

import pytest
from render_tools import Outcome, attempt, collect, start_stage, write_job

SCRIPT = """
from manim import *
import helper


class Mine(Scene):
    def construct(self):
        print("heard:", helper.WORD, open("data.txt").read())
        for place in ("data.txt", "new.txt"):
            try:
                open(place, "w").close()
            except OSError as error:
                print(type(error).__name__)
        self.wait(0.2)
        helper.fail_if_asked()
"""
HELPER = "WORD = 'sibling'\n\n\ndef fail_if_asked():\n    pass\n"


def render_script(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Run the stage as `manimd render` does."""
    monkeypatch.setenv("MANIMD_STAGE_SCRIPT", str(folder / "mine.py"))
    with attempt() as directory:
        write_job(directory, (folder / "mine.py").read_text(), {})
        stage = start_stage(directory)
        _, stderr = stage.communicate(timeout=120)
        return collect(directory, stage.returncode, stderr)


@pytest.fixture(params=[0o755, 0o700], ids=["open", "private"])
def folder(request: pytest.FixtureRequest):
    """A script's folder of either mode."""
    with attempt() as parent:
        parent.chmod(0o755)
        place = parent / "project"
        place.mkdir()
        (place / "mine.py").write_text(SCRIPT)
        (place / "helper.py").write_text(HELPER)
        (place / "data.txt").write_text("data")
        (place / ".secret").write_text("canary")
        place.chmod(request.param)
        yield place


def test_siblings_are_there_and_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = render_script(folder, monkeypatch)
    assert ended.outcome == "completed", ended.result
    heard, *refused = ended.log.splitlines()
    # A read-only mount says EROFS, which Python has no name of its own for.
    assert heard == "heard: sibling data" and len(refused) == 2
    assert set(refused) <= {"PermissionError", "OSError"}
    assert (folder / "data.txt").read_text() == "data"
    assert not (folder / "new.txt").exists()


def test_an_error_in_a_sibling_names_the_siblings_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "helper.py").write_text(HELPER.replace("pass", "raise ValueError('no')"))
    error = render_script(folder, monkeypatch).error
    assert error["message"] == "ValueError: no"
    assert error["file"] == "helper.py" and "raise ValueError('no')" in error["excerpt"]


def test_a_file_too_large_to_copy_is_not_left_out_in_silence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "film.bin").open("w") as film:
        film.truncate((256 << 20) + 1)
    private = not folder.stat().st_mode & 0o005
    ended = render_script(folder, monkeypatch)
    if private:
        assert ended.outcome == "host_error" and "too large to copy" in ended.error["message"]
    else:
        assert ended.outcome == "completed"
