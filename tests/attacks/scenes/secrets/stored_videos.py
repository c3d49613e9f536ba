"""Reads what the worker has stored for others."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        store = TARGETS["store"]
        attempt("list", lambda: os.listdir(store))
        attempt("plant", lambda: os.open(f"{store}/planted", os.O_CREAT | os.O_WRONLY))
        attempt("walk", lambda: [p for p, _, names in os.walk(store, onerror=lambda e: None) if names], bool)
