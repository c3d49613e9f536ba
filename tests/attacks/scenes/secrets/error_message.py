"""Carries every secret that it can read out in the words of an exception."""
# expect: scene_error
# prepare: files
# tries: no, its words are the theft
from manim import *


class Attack(Scene):
    def construct(self):
        from attack import TARGETS

        said = ""
        for path in (TARGETS["secret"], TARGETS["private"], TARGETS["config"], TARGETS["neighbour_dir"] + "/secret"):
            try:
                with open(path) as file:
                    said += file.read(200)
            except OSError as error:
                said += f" {error.strerror}"
        raise RuntimeError(said)
