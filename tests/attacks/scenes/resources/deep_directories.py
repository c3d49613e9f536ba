"""Three thousand directories, each in the other, closed to everybody: they must go afterwards."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        os.chdir(os.environ["HOME"])
        os.mkdir("closed")
        os.mkdir("closed/inner")
        os.close(fd := os.open("closed", os.O_RDONLY))
        fd = os.open("closed", os.O_RDONLY)
        os.fchmod(fd, 0)
        tried("a tree that nobody can enter")
