"""Is this the Manim that we know? Each function that we replace, or whose
behaviour the replacements rely on, is compared by the hash of its source. If
one differs, stock classes run and their frames are copied into the ring."""

from __future__ import annotations

import hashlib
import importlib
import inspect

VERSION = "0.22.0"

#: module, qualified name, first 16 hex digits of the SHA-256 of its source.
KNOWN: tuple[tuple[str, str, str], ...] = (
    ("manim.scene.scene_file_writer", "SceneFileWriter.__init__", "554895082a491836"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.begin_animation", "7c4be6c4c6d14345"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.end_animation", "bc4df9c6642798aa"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.write_frame", "e1234e03b0a8f934"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.save_image", "ae0ff61e90fd6bc2"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.finish", "3cc7f6f168324759"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.add_audio_segment", "a4083819cf612f70"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.next_section", "cbdf62c2c4a39faa"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.finish_last_section", "b49f03d48b2ce44b"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.abort_encode_jobs", "651ec8fd8cd3f26b"),
    ("manim.scene.scene_file_writer", "SceneFileWriter.add_partial_movie_file", "5fdf0137c548cc57"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.play", "5affbe0f311d6099"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.add_frame", "eadf486029f08f4e"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.freeze_current_frame", "a95825fff9f7570d"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.scene_finished", "75b619f2f4b5192c"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.update_skipping_status", "540096e4aea630ca"),
    ("manim.renderer.cairo_renderer", "CairoRenderer.get_frame", "9d5ffa0b9ee9bdb1"),
    ("manim.manager", "Manager.render", "0d2179d58049e2c1"),
    ("manim.manager", "Manager.post_construct", "7d70d25ed4a6db96"),
    ("manim.manager", "Manager.add_subcaption", "fa051c08e59fda84"),
    ("manim.scene.scene", "Scene.__init__", "72a693dc563b83cf"),
    ("manim.scene.scene", "Scene.play_internal", "c83eff575fd77321"),
    ("manim.scene.scene", "Scene.get_time_progression", "9bc9c9d98d6b45b8"),
    ("manim.mobject.svg.svg_mobject", "SVGMobject.get_file_path", "158cc334908fec37"),
    ("manim.mobject.svg.svg_mobject", "SVGMobject.generate_mobject", "9b758944c36bc462"),
    ("manim.mobject.text.text_mobject", "Text._text2svg", "309a6b76ea2e332d"),
    ("manim.mobject.text.text_mobject", "MarkupText._text2svg", "6efb2b9ae051eec1"),
)


def source_hash(module: str, name: str) -> str:
    """The hash of a function's source, "" when there is none."""
    try:
        thing: object = importlib.import_module(module)
        for part in name.split("."):
            thing = inspect.getattr_static(thing, part)
        source = inspect.getsource(thing)  # type: ignore[arg-type]
    except (ImportError, AttributeError, OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def difference() -> str:
    """"" when every function is as expected, else what is not."""
    import manim

    if manim.__version__ != VERSION:
        return f"manim {manim.__version__} is not {VERSION}"
    changed = [
        f"{module}.{name}"
        for module, name, known in KNOWN
        if source_hash(module, name) != known
    ]
    return f"changed: {', '.join(changed)}"[:400] if changed else ""
