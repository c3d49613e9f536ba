"""The user's file: read, compiled, executed, searched for scenes."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from types import CodeType, ModuleType

from .errors import JobFault


def listing(names: list[str]) -> str:
    """The scenes found, for a sentence."""
    if not names:
        return "it defines no scene"
    return "it defines " + ", ".join(f'"{name}"' for name in names)


def compile_source(source: bytes, path: str) -> CodeType:
    """Compile, or say as what the file was rejected."""
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise JobFault.from_syntax_error(error, source) from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        message = f"the source is no Python: {error or type(error).__name__}"
        raise JobFault("source_rejected", message) from None


def module_name(path: str) -> str:
    """The file's own name, unless a module of that name is loaded already."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return stem if stem not in sys.modules else f"scene_{stem}"


def execute(code: CodeType, path: str) -> ModuleType:
    """Run the file as a module. What it raises is the caller's."""
    name = module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(path))
    exec(code, module.__dict__)
    return module


def scene_classes(module: ModuleType) -> list[type]:
    """The scenes that the file defines itself, in the order of their lines."""
    from manim import Scene

    found = {
        thing
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, Scene)
        and thing.__module__ == module.__name__
    }
    return sorted(found, key=first_line)


def first_line(scene_class: type) -> tuple[int, str]:
    """Where a class begins, as far as its methods tell."""
    lines = [
        thing.__code__.co_firstlineno
        for thing in vars(scene_class).values()
        if inspect.isfunction(thing)
    ]
    return (min(lines, default=0), scene_class.__name__)


def choose(classes: list[type], wanted: str | None) -> type:
    """The scene asked for, or the only one."""
    names = [each.__name__ for each in classes]
    if wanted:
        for each in classes:
            if each.__name__ == wanted:
                return each
        message = f'scene "{wanted}" is not in the file: {listing(names)}'
        raise JobFault("source_rejected", message)
    if len(classes) == 1:
        return classes[0]
    if not classes:
        message = "the file defines no scene: write a class that derives from Scene"
        raise JobFault("source_rejected", message)
    message = f"several scenes and none named: {listing(names)}; name one in `scene`"
    raise JobFault("source_rejected", message)
