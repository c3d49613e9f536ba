"""`scripts/check`: a step that hangs is ended with all that it started, and counted."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import house
import pytest
from house import ROOT


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with its logs elsewhere."""
    loader = SourceFileLoader("check_script", str(ROOT / "scripts" / "check"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    # Its annotations are looked up by its name.
    monkeypatch.setitem(sys.modules, loader.name, module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    monkeypatch.setattr(module, "TIDY_S", 1)
    return module


def gone(pid: int) -> bool:
    """Whether nothing runs under that id (a zombie runs no more)."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("deaf", [False, True])
def test_a_step_that_hangs(check: ModuleType, deaf: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its child goes too, also when neither listens; what it had counted by then does not count."""
    trap = "trap '' INT TERM; " if deaf else ""
    script = f"{trap}echo 'slow: 7 passed, 0 failed'; sleep 1000 & echo $! >{tmp_path}/pid; wait; sleep 1000"
    tally = check.run(check.Step("slow", ["bash", "-c", script], "line", limit_s=1))
    assert (tally.passed, tally.failed) == (0, 1)
    assert "slow took more than 1 s and was ended" in capsys.readouterr().out
    child = int((tmp_path / "pid").read_text())
    house.until("its child is gone", lambda: gone(child), 10)


def test_a_step_within_its_limit(check: ModuleType) -> None:
    """Nothing changes for it."""
    tally = check.run(check.Step("quick", ["echo", "quick: 7 passed, 0 failed"], "line", limit_s=60))
    assert (tally.passed, tally.failed) == (7, 0)


def test_every_step_has_a_limit(check: ModuleType) -> None:
    """Generous, but one."""
    assert all(60 <= step.limit_s <= 3600 for step in check.steps())
