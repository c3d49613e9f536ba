"""manimd-encode's picture beside stock Manim's: the same frames, as good, in no more bytes, for no more work.

The scenes and the measure are those of tests/bench/encode_quality.py, whose page
has the whole table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from encode_quality import compare  # noqa: E402

# Versions of x264 differ by less.
SSIM_LESS = 0.0002
BYTES_MORE = 1.03
START_S = 0.1  # a process and libav's libraries: of stock's figure, its imports were taken off
CASES = [("Lines", "480p15"), ("Letters", "480p15"), ("Space", "480p15"), ("Letters", "720p30"), ("Space", "720p30")]


@pytest.mark.parametrize(("scene", "quality"), CASES)
def test_no_worse_than_stock(scene: str, quality: str, tmp_path: Path) -> None:
    """What is seen (rgb), what was given to the encoder (yuv), bytes, CPU seconds."""
    stock, ours = compare(scene, quality, tmp_path)
    print(stock, ours)
    assert ours.yuv >= stock.yuv - SSIM_LESS
    assert ours.rgb >= stock.rgb - SSIM_LESS
    assert ours.kib <= stock.kib * BYTES_MORE
    assert ours.cpu_s <= stock.cpu_s + START_S
