"""Carries secrets out in subtitles and file names of its own directory."""
# expect: completed
# prepare: files
# tries: no, its words are the theft
from manim import *


class Attack(Scene):
    def construct(self):
        from attack import TARGETS

        for path in (TARGETS["secret"], TARGETS["private"], TARGETS["neighbour_dir"] + "/secret"):
            try:
                with open(path) as file:
                    self.add_subcaption(file.read(200), duration=0.1)
            except OSError as error:
                self.add_subcaption(str(error.errno), duration=0.1)
        self.wait(0.2)
