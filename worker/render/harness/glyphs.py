"""Text that no font of this machine can draw.

Pango draws an empty box, as Manim does a filled one, for a character that no
font has, and says nothing: a Chinese title becomes a row of boxes in a video
that completed. So the characters that any font here has are asked for once, of
fontconfig as Pango does, and a text with others is told in the scene's log. The
picture stays the one that stock Manim draws.
"""

from __future__ import annotations

import ctypes
import sys
import unicodedata
from typing import Any

import manimpango
from manim.mobject.text import text_mobject

LIBRARY = "libfontconfig.so.1"
SET_SYSTEM = 0  # FcSetSystem (fontconfig.h)
CHARSET = b"charset"  # FC_CHARSET
SHOWN = 10
# Controls, format characters, variation selectors, blanks: nothing to draw.
UNDRAWN = ("Cc", "Cf", "Mn", "Zs", "Zl", "Zp")


class FontSet(ctypes.Structure):
    """FcFontSet of fontconfig.h."""

    _fields_ = [
        ("nfont", ctypes.c_int),
        ("sfont", ctypes.c_int),
        ("fonts", ctypes.POINTER(ctypes.c_void_p)),
    ]


def load() -> tuple[Any, int] | None:
    """fontconfig, and the characters of all fonts as an FcCharSet; None without it."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.FcInitLoadConfigAndFonts.restype = pointer
    library.FcConfigGetFonts.restype = ctypes.POINTER(FontSet)
    library.FcConfigGetFonts.argtypes = [pointer, ctypes.c_int]
    library.FcConfigDestroy.argtypes = [pointer]
    library.FcPatternGetCharSet.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, pointer]
    library.FcCharSetCreate.restype = pointer
    library.FcCharSetMerge.argtypes = [pointer, pointer, pointer]
    library.FcCharSetHasChar.argtypes = [pointer, ctypes.c_uint32]
    # A configuration of our own: Pango's is made by the scene, with its HOME.
    config = library.FcInitLoadConfigAndFonts()
    if not config:
        return None
    every = union(library, library.FcConfigGetFonts(config, SET_SYSTEM))
    library.FcConfigDestroy(config)
    return library, every


def union(library: Any, fonts: Any) -> int:
    """What any of the fonts has."""
    every = library.FcCharSetCreate()
    for at in range(fonts.contents.nfont if fonts else 0):
        of_font = ctypes.c_void_p()
        font = fonts.contents.fonts[at]
        # 0: FcResultMatch
        if library.FcPatternGetCharSet(font, CHARSET, 0, ctypes.byref(of_font)) == 0:
            library.FcCharSetMerge(every, of_font, None)
    return int(every)


class Known:
    """What the fonts have, as found in the zygote, and what was told of."""

    found: tuple[Any, int] | None = None
    told: set[str] = set()


def missing(text: str) -> list[str]:
    """The characters that would be boxes, each once, in their order."""
    if Known.found is None or text.isascii():
        return []
    library, every = Known.found
    return [
        one
        for one in dict.fromkeys(text)
        if not one.isascii()
        and unicodedata.category(one) not in UNDRAWN
        and not library.FcCharSetHasChar(every, ord(one))
    ]


def tell(text: str) -> None:
    """A line in the scene's log, once for each character."""
    new = [one for one in missing(text) if one not in Known.told]
    if not new:
        return
    Known.told.update(new)
    shown = " ".join(f"{one} (U+{ord(one):04X})" for one in new[:SHOWN])
    more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
    print(
        f"manimd: no font on this worker has {shown}{more}: drawn as boxes; "
        "have a font with them installed there, such as Noto",
        file=sys.stderr,
    )


def listening(stock: Any) -> Any:
    """A _text2svg() that looks at its text first. A font that the scene has
    registered itself is not known here: then nothing is said."""

    def text2svg(self: Any, color: Any) -> Any:
        if not manimpango.registered_fonts:
            tell(self.text)
        return stock(self, color)

    return text2svg


def install() -> None:
    """Ask fontconfig, and listen to Text and MarkupText."""
    Known.found = load()
    for each in (text_mobject.Text, text_mobject.MarkupText):
        each._text2svg = listening(each._text2svg)  # type: ignore[method-assign]
