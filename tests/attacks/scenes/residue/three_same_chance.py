"""Draws chance: the job's seed decides, not what was drawn before it."""
# expect: completed
# alone: yes
# job: seed=1
import random

from attack import *


class Attack(Trial):
    def attack(self):
        import numpy

        drawn = random.random(), float(numpy.random.random())
        random.seed(1)
        numpy.random.seed(1)
        if drawn != (random.random(), float(numpy.random.random())):
            breach(f"chance was {drawn}")
        tried("chance")
