"""Files beside the scene with the names of modules that the harness uses, and a new path."""
# expect: completed scene_error
# tries: no
import os
import sys

for name in ("json", "traceback", "linecache", "pydub", "_manimd", "numpy", "manim"):
    with open(name + ".py", "w") as file:
        file.write("import os; os._exit(0)")
for name in ("traceback", "linecache", "pydub"):
    sys.modules.pop(name, None)
sys.path.insert(0, os.getcwd())

from manim import *


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
