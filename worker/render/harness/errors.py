"""From an exception to words about the user's own file: its line, column,
message and an excerpt; for TeX, TeX's own message and source line."""

from __future__ import annotations

import errno
import linecache
import os
import re
import traceback
from itertools import pairwise
from types import FrameType, TracebackType
from typing import Any

from . import hints

MESSAGE_CHARS = 2000
EXCERPT_CHARS = 2000
TRACEBACK_CHARS = 6000
CONTEXT_LINES = 2
INSERTED = ("<inserted text>", "<to be read again>", "<read *>", "<recently read>")
MARK_END = "'>}"  # of the groups that Manim marks a formula's parts with
# IndexError: Manim looks for a line number in the log that is not always there.
TEX_FAILURES = (ValueError, RuntimeError, OSError, IndexError)
TEX_MODULE = os.path.join("manim", "utils", "tex_file_writing.py")


class JobFault(Exception):
    """A fault of the job's that we found ourselves; becomes its result."""

    def __init__(self, outcome: str, message: str, **where: Any) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.where = where

    @classmethod
    def from_syntax_error(cls, error: SyntaxError, source: bytes) -> JobFault:
        """Line, column and excerpt as the compiler gave them."""
        lines = source.decode("utf-8", "replace").splitlines()
        line = error.lineno or 0
        return cls(
            "source_rejected",
            hints.behind(f"{type(error).__name__}: {error.msg}", hints.of_source("\n".join(lines))),
            code=type(error).__name__,
            line=line or None,
            column=error.offset or None,
            excerpt=excerpt(lines, line, error.offset or 0),
        )

    def as_result(self) -> dict[str, Any]:
        """The words for the keeper."""
        error = {"code": self.outcome, "message": self.message[:MESSAGE_CHARS], **self.where}
        return {"outcome": self.outcome, "error": error}


def excerpt(lines: list[str], line: int, column: int) -> str:
    """The line in question with its neighbours, and a caret beneath it."""
    if not 1 <= line <= len(lines):
        return ""
    first = max(1, line - CONTEXT_LINES)
    last = min(len(lines), line + CONTEXT_LINES)
    width = len(str(last))
    out = []
    for number in range(first, last + 1):
        mark = ">" if number == line else " "
        text = lines[number - 1].rstrip()[:200]
        out.append(f"{mark} {number:{width}} | {text}".rstrip())
        if number == line and 1 <= column <= 200:
            out.append(f"  {'':{width}} | {' ' * (column - 1)}^")
    return "\n".join(out)[:EXCERPT_CHARS]


def frames_of(tb: TracebackType | None) -> list[TracebackType]:
    """The traceback as a list, outermost first."""
    out = []
    while tb is not None:
        out.append(tb)
        tb = tb.tb_next
    return out


def column_of(tb: TracebackType) -> int | None:
    """1-based column of the expression that raised."""
    positions = list(tb.tb_frame.f_code.co_positions())
    index = tb.tb_lasti // 2
    if index >= len(positions) or positions[index][2] is None:
        return None
    line, _, column, _ = positions[index]
    text = linecache.getline(tb.tb_frame.f_code.co_filename, line or 0)
    # co_positions counts bytes of UTF-8.
    return len(text.encode()[: column or 0].decode("utf-8", "ignore")) + 1


def is_users(file_name: str, path: str) -> bool:
    """Whether code is the user's: their file, or a module beside it."""
    beside = file_name.startswith(os.path.dirname(path) + os.sep)
    return file_name == path or (beside and "site-packages" not in file_name)


def user_frames(error: BaseException, path: str) -> list[TracebackType]:
    """Those in the user's code, outermost first."""
    return [
        tb
        for tb in frames_of(error.__traceback__)
        if is_users(tb.tb_frame.f_code.co_filename, path)
    ]


def place(error: BaseException, path: str) -> dict[str, Any]:
    """line, column, excerpt of the last frame in the user's code, and its file
    when that is another than the scene's."""
    frames = user_frames(error, path)
    if not frames:
        return {"line": None, "column": None, "excerpt": None}
    tb = frames[-1]
    file_name = tb.tb_frame.f_code.co_filename
    lines = [line.rstrip("\n") for line in linecache.getlines(file_name)]
    column = column_of(tb)
    other = {} if file_name == path else {"file": os.path.relpath(file_name, os.path.dirname(path))}
    return {
        **other,
        "line": tb.tb_lineno,
        "column": column,
        "excerpt": excerpt(lines, tb.tb_lineno, column or 0),
    }


def user_traceback(error: BaseException, path: str) -> str:
    """The user's frames, then where in the libraries it was raised."""
    out = ["Traceback (most recent call last, your file only):\n"]
    for tb in user_frames(error, path):
        code = tb.tb_frame.f_code
        name = os.path.basename(code.co_filename)
        out.append(f'  File "{name}", line {tb.tb_lineno}, in {code.co_name}\n')
        out.append(f"    {linecache.getline(code.co_filename, tb.tb_lineno).strip()}\n")
    frames = frames_of(error.__traceback__)
    if frames:
        code = frames[-1].tb_frame.f_code
        if code.co_filename != path:
            library = code.co_filename.split("site-packages/")[-1]
            out.append(f"  (raised in {library}, line {frames[-1].tb_lineno})\n")
    out.extend(traceback.format_exception_only(error))
    return "".join(out)[-TRACEBACK_CHARS:]


def tex_frame(error: BaseException) -> FrameType | None:
    """The frame of Manim's TeX module through which it came, if any."""
    for tb in frames_of(error.__traceback__):
        if tb.tb_frame.f_code.co_filename.endswith(TEX_MODULE):
            return tb.tb_frame
    return None


def tex_log_message(log: str) -> tuple[str, int, str]:
    """TeX's own message, the line of the .tex file, what it had just read.

    A message of LaTeX's may go on in the next lines, indented; then come its
    advice and `l.8 ...`. Beneath a message of TeX's own it shows what it was
    reading, innermost first, each cut off where it stopped: an argument
    (`<argument> ...\\foo`), what it has put in itself, which explains nothing
    (INSERTED, its text in the next line), then `l.8 ...`.
    """
    lines = log.splitlines()
    first = next((n for n, text in enumerate(lines) if text.startswith("!")), None)
    if first is None:
        return "", 0, ""
    message, at = lines[first][1:].strip(), first + 1
    while at < len(lines) and lines[at].startswith("  ") and lines[at].strip():
        message, at = f"{message} {lines[at].strip()}", at + 1
    read = ""
    advice = message.startswith(("LaTeX Error", "Package "))
    for before, text in pairwise(lines[at - 1 :]):
        found = re.match(r"l\.(\d+)", text)
        ours = found or not (advice or text.startswith(INSERTED) or before.startswith(INSERTED))
        if ours and not read and text.strip():
            read = re.sub(r"^(<[^>]*>|l\.\d+) ?(\.\.\.)?", "", text).strip()
        if found:
            return message, int(found[1]), read
    return message, 0, read


def without_marks(formula: str) -> str:
    """A formula without the groups that Manim marks its parts with."""
    return re.sub(r"\\special\{dvisvgm:raw [^}]*\}", "", formula)


def line_of(lines: list[str], read: str, line: int) -> int:
    """Where what TeX had just read stands; `line` when that cannot be told: TeX
    names the line at which an environment ended, not the one inside it."""
    words = read.split()
    holding = [n for n, text in enumerate(lines, 1) if words and words[-1] in text and n <= line]
    return holding[-1] if holding else line


def read_text(path: str) -> str:
    """A file's text, "" when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def log_beside(frame: FrameType) -> str | None:
    """TeX's log, when Manim stumbles over it before it can name it."""
    tex_file = frame.f_locals.get("tex_file")
    log_path = os.path.splitext(str(tex_file))[0] + ".log"
    return log_path if tex_file is not None and "\n!" in read_text(log_path) else None


def first_line_of(lines: list[str], formula: str) -> int:
    """Where a formula begins in the .tex file, 0 when it is not there."""
    first = next((text for text in formula.splitlines() if text.strip()), "")
    return next((n for n, text in enumerate(lines, 1) if first and first in text), 0)


def tex_sentence(stopped: str, message: str, read: str) -> str:
    """What TeX said, or why it was stopped, and where it was."""
    words = stopped or f"TeX: {message or 'it failed without a message'}"
    return f"{words} at: {read.rpartition(MARK_END)[2]}" if read else words


def tex_details(error: BaseException, frame: FrameType) -> tuple[str, str]:
    """A sentence with TeX's message, and the TeX source line with a mark."""
    formula = str(frame.f_locals.get("expression", ""))
    expression = without_marks(formula)[:300]
    found = re.search(r"the log file: (\S+?\.log)", str(error))
    log_path = getattr(error, "log_path", None) or (found[1] if found else log_beside(frame))
    if not log_path:
        missing = isinstance(error, FileNotFoundError) and error.filename
        words = str(error)
        if missing:
            words = hints.behind(f'this worker has no "{missing}"', hints.of_program(missing))
        return f"{words} (formula: {expression})", ""
    message, line, read = tex_log_message(read_text(log_path))
    lines = read_text(os.path.splitext(log_path)[0] + ".tex").splitlines()
    words = tex_sentence(getattr(error, "why", ""), message, read)
    words = hints.behind(f"{words} (formula: {expression})", hints.of_formula(formula))
    line = line or first_line_of(lines, formula)
    at = line_of(lines, read, line)
    shown = [without_marks(text) for text in lines]
    return words, "TeX source:\n" + excerpt(shown, at, 0) if line else ""


def tex_result(error: BaseException, frame: FrameType, path: str) -> dict[str, Any]:
    """A formula that TeX refused."""
    message, source = tex_details(error, frame)
    where = place(error, path)
    where["excerpt"] = "\n".join(filter(None, (where["excerpt"], source)))[:EXCERPT_CHARS]
    return {
        "outcome": "tex_error",
        "error": {
            "code": "TeX",
            "message": message[:MESSAGE_CHARS],
            **where,
            "traceback": user_traceback(error, path),
        },
    }


def sentence(error: BaseException) -> str:
    """What to say first."""
    if isinstance(error, SystemExit):
        return f"the scene called exit ({error.code!r}) before it was done; end `construct` instead"
    if isinstance(error, KeyboardInterrupt):
        return "the scene raised KeyboardInterrupt"
    if isinstance(error, RecursionError):
        return f"RecursionError: {error}"
    return "".join(traceback.format_exception_only(error)).strip()


def starts_something(error: BaseException) -> bool:
    """Whether it was raised where a process is started."""
    frames = frames_of(error.__traceback__)
    if not frames:
        return False
    file_name = frames[-1].tb_frame.f_code.co_filename
    line = linecache.getline(file_name, frames[-1].tb_lineno)
    starters = (os.sep + "subprocess.py", os.sep + "popen_fork.py")
    return file_name.endswith(starters) or "fork" in line


def outcome_of(error: BaseException) -> str:
    """The limit that an exception stands for: the kernel refused, and the watch
    from outside, which looks every so often, may not have seen why."""
    if isinstance(error, MemoryError):
        return "memory_limit"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "disk_limit"
    refused = isinstance(error, OSError) and error.errno == errno.EAGAIN and starts_something(error)
    if refused or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return "process_limit"
    return "scene_error"


LIMIT_WORDS = {
    "process_limit": "the scene started more processes than `processes` allows: ",
    "disk_limit": "the scene wrote a file larger than disk_mb allows: ",
}


def result_of(error: BaseException, path: str) -> dict[str, Any]:
    """The outcome and the words for whatever ended the scene."""
    if isinstance(error, JobFault):
        return error.as_result()
    frame = tex_frame(error)
    if frame is not None and isinstance(error, TEX_FAILURES):
        return tex_result(error, frame, path)
    outcome = outcome_of(error)
    words = hints.behind(LIMIT_WORDS.get(outcome, "") + sentence(error), hints.of(error))
    return {
        "outcome": outcome,
        "error": {
            "code": type(error).__name__,
            "message": words[:MESSAGE_CHARS],
            **place(error, path),
            "traceback": user_traceback(error, path),
        },
    }
