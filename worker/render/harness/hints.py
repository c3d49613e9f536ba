"""What to do about an exception whose own words do not say it.

Scenes are often written from memory, by people and by language models: with
names of an older Manim or of ManimGL, with a notebook's commands, for a machine
with a window, a keyboard and a network. Python's words for that are true and
help nobody who has not seen them before. A hint is put behind them, and only
where it is certain.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import traceback

#: Names that Manim Community had, or ManimGL has, and what is there instead.
RENAMED = {
    "ShowCreation": "Create",
    "ShowCreationThenDestruction": "ShowPassingFlash",
    "ShowCreationThenFadeAround": "Circumscribe",
    "CircleIndicate": "Circumscribe",
    "WiggleOutThenIn": "Wiggle",
    "FadeInFrom": "FadeIn(…, shift=…)",
    "FadeInFromDown": "FadeIn(…, shift=UP)",
    "FadeInFromLarge": "FadeIn(…, scale=…)",
    "FadeInFromPoint": "FadeIn(…, target_position=…)",
    "FadeOutAndShift": "FadeOut(…, shift=…)",
    "FadeOutToPoint": "FadeOut(…, target_position=…)",
    "TextMobject": "Tex",
    "TexText": "Tex",
    "OldTexText": "Tex",
    "TexMobject": "MathTex",
    "OldTex": "MathTex",
    "GraphScene": "Scene, with Axes(…).plot(…)",
    "ParametricSurface": "Surface",
    "get_graph": "plot",
}
#: ManimGL's modules, for which another import is needed.
MANIMGL = ("manimlib", "manim_imports_ext", "manimgl")
#: Debian's packages of what a TexTemplate may name, and of what Manim needs besides.
PACKAGES = {
    "latex": "texlive-latex-base",
    "pdflatex": "texlive-latex-base",
    "luatex": "texlive-latex-base",
    "lualatex": "texlive-latex-base",
    "xelatex": "texlive-xetex",
    "dvisvgm": "dvisvgm",
}
EMBEDS = ("embed", "interactive_embed")
FENCE = re.compile(r"^\s*(```|~~~)")
MAGIC = re.compile(r"^\s*%{1,2}manim\b")
#: What a formula never holds but by such a mistake.
CONTROLS = {"\a": r"\a", "\b": r"\b", "\v": r"\v", "\f": r"\f"}
#: For TeX a tab, a line's end, a carriage return are blanks: it says nothing, and
#: the formula is another. They may well be meant, so these are commands of which
#: what is left behind the blank is no word that a text would go on with.
BLANKS = {
    "\t": ("au|ext(?:bf|it|rm|tt|sf|color|style)?|herefore|heta|hickapprox|hicksim|ilde|imes|frac|o|"
           "riangleq|riangle|an(?=[({^\\\\])"),
    "\n": "abla|earrow|eq|ewline|exists|otin|warrow",
    "\r": "[a-z]+",
}
BLANK_FOR_COMMAND = re.compile("|".join(f"({blank})({rest})(?![a-zA-Z])" for blank, rest in BLANKS.items()))
WITHOUT_SOCKETS = {
    "multiprocessing": "a scene has no memory to share, so no pools, locks or queues of "
    "multiprocessing: use concurrent.futures.ThreadPoolExecutor",
    "asyncio": "a scene has no sockets and no epoll, which asyncio needs: call plain functions",
}


def of_source(source: str) -> str:
    """For a text that is no Python."""
    lines = source.splitlines()
    if any(FENCE.match(line) for line in lines):
        return "it holds a Markdown fence: send only what is inside it"
    if any(MAGIC.match(line) for line in lines):
        return "%manim is a notebook's command: leave it out"
    return ""


def of_name(error: BaseException) -> str:
    """For a name that was renamed."""
    if not isinstance(error, (NameError, AttributeError)):
        return ""
    if isinstance(error, AttributeError) and str(error) == "'Camera' object has no attribute 'frame'":
        return "derive the scene from MovingCameraScene to move the camera"
    now = RENAMED.get(error.name or "")
    return f"Manim Community calls it {now}" if now else ""


def of_module(error: BaseException) -> str:
    """For a module that is not installed."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if error.name.partition(".")[0] in MANIMGL:
        return "that is ManimGL; here is Manim Community: `from manim import *`"
    return "a worker has Manim Community and what it depends on, and no other packages"


def of_window(error: BaseException) -> str:
    """For what waits for somebody at a window or a keyboard."""
    calls = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    embeds = [name for name in calls if name in EMBEDS]
    if isinstance(error, AssertionError) and embeds:
        return f"a job has no window: leave out self.{embeds[0]}()"
    if isinstance(error, EOFError) and str(error).startswith("EOF when reading a line"):
        return "nobody is there to answer: leave out input()"
    return ""


def of_parallel(error: BaseException) -> str:
    """For modules whose parts talk to each other by what the box does not have."""
    refused = isinstance(error, OSError) and error.errno in (
        errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT
    )
    if not refused and type(error) is not EOFError:
        return ""
    last = [os.path.dirname(frame.filename) for frame in traceback.extract_tb(error.__traceback__)][1:]
    for module, words in WITHOUT_SOCKETS.items():
        if any(os.path.basename(name) == module for name in last):
            return words
    return ""


def of_system(error: BaseException) -> str:
    """For what the box does not have."""
    reason = getattr(error, "reason", None)  # of urllib's URLError
    inner = reason if isinstance(reason, OSError) else error
    if not isinstance(inner, OSError):
        return ""
    if isinstance(inner, socket.gaierror) or inner.errno == errno.EAFNOSUPPORT:
        return "a scene has no network and no sockets; name files in the job's `assets`"
    if inner.errno == errno.EROFS and inner.filename is not None:
        return "a scene can write in its own directory only: os.environ['HOME'], tempfile"
    return ""


def of(error: BaseException) -> str:
    """The hint for an exception, "" when there is none."""
    for one in (of_name, of_module, of_window, of_parallel, of_system):
        hint = one(error)
        if hint:
            return hint
    return ""


def blank_for_command(formula: str) -> str:
    r"""The command of which Python made a blank and some letters, as \theta, or ""."""
    for found in BLANK_FOR_COMMAND.finditer(formula):
        indents = found[0][0] == "\t" and formula[: found.start()].rpartition("\n")[2].strip() == ""
        if not (indents and found.start() > 0):
            return found[0].encode("unicode_escape").decode()
    return ""


def of_formula(formula: str) -> str:
    r"""For one that was written without r"…": \frac becomes a form feed and "rac"."""
    found = [written for one, written in CONTROLS.items() if one in formula]
    if found:
        return f'Python read "{found[0]}" in it as a control character: write the formula as r"…"'
    command = blank_for_command(formula)
    return f'Python read the beginning of "{command}" in it as a blank: write the formula as r"…"' if command else ""


def of_program(name: str) -> str:
    """For one that TeX needs and that is not installed."""
    package = PACKAGES.get(name)
    return f"whoever runs the worker can install it (on Debian: {package})" if package else ""


def behind(words: str, hint: str) -> str:
    """Both, as one sentence."""
    return f"{words.removesuffix('.')}; {hint}" if hint else words
