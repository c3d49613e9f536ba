"""A metaclass that lies about what it is, and to whom it belongs."""
# expect: completed scene_error source_rejected
# tries: no
from manim import *


class Liar(type(Scene)):
    def __subclasscheck__(cls, other):
        return True

    def __instancecheck__(cls, other):
        return True

    @property
    def __module__(cls):
        return "_manimd_harness.job"

    def __getattribute__(cls, name):
        if name == "construct":
            raise SystemExit(0)
        return super().__getattribute__(name)


class Attack(Scene, metaclass=Liar):
    def construct(self):
        self.wait(0.1)
