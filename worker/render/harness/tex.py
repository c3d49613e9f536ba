"""TeX as Manim starts it, without the noise of our own settings.

With `openin_any=p` kpathsea says at every start that it does not read
/dev/null, in words that differ between TeX Live 2022 and 2024: expl3 looks for
that file to tell which system it runs on (l3sys).
Nobody can act on it, and ten formulas would fill the log that a user is shown.
"""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from manim.utils import tex_file_writing

NOISE = re.compile(rb"Not reading from /dev/null(\.tex)? \(openin_any = p[;)]")


def run(command: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """subprocess.run(), its standard error passed on but for NOISE."""
    done = subprocess.run(command, stderr=subprocess.PIPE, **options)
    words = b"\n".join(line for line in done.stderr.splitlines() if line and not NOISE.search(line))
    if words:
        sys.stderr.write(words.decode(errors="backslashreplace") + "\n")
    return done


def install() -> None:
    """Let Manim start TeX through run()."""
    names = {"run": run, "DEVNULL": subprocess.DEVNULL, "PIPE": subprocess.PIPE}
    tex_file_writing.subprocess = SimpleNamespace(**names)  # type: ignore[assignment]
