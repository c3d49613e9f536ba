"""Reads the tables of worker/*.def: rows of NAME(argument, …), as C has them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

# A string, a comment, or one character; strings and comments may hold commas
# and brackets that mean nothing here.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/|.', re.S)


def arguments_of(text: str, start: int) -> tuple[list[str], int]:
    """The arguments of the call whose "(" is before `start`, and where it ends."""
    arguments, depth = [""], 1
    while depth:
        match = TOKEN.match(text, start)
        if not match:
            raise ValueError("a row is not closed")
        token, start = match[0], match.end()
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 1:
            arguments.append("")
        elif depth and not token.startswith("/*"):
            arguments[-1] += token
    return [argument.strip() for argument in arguments], start


def read_table(path: Path, macro: str) -> list[list[str]]:
    """The rows of a table: each argument as it is written."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    rows, at = [], 0
    while match := re.compile(rf"\b{macro}\(").search(text, at):
        arguments, at = arguments_of(text, match.end())
        rows.append(arguments)
    return rows


def string(argument: str) -> str:
    """The text of a string literal (or of several, which C joins); "" of NULL."""
    parts = re.findall(r'"(?:[^"\\]|\\.)*"', argument)
    return "".join(ast.literal_eval(part) for part in parts)
