"""Plants in caches that all jobs share: fonts, TeX, Python, pip."""
# expect: completed
# ablation: no, as root it would change this machine
import os

from attack import *

PLACES = ("/var/cache/fontconfig", "/var/lib/texmf", "/var/lib/texmf/web2c", "/usr/share/texmf", "/usr/local/share/texmf",
          "/etc/fonts/conf.d", "/etc/texmf", "/var/cache", "/usr/share/fonts", "/usr/local/share/fonts", "/nonexistent",
          "/root/.cache", "/var/tmp", "/usr/share/texmf/ls-R", "/etc/ld.so.cache", "/etc/ld.so.preload")  # fmt: skip


class Attack(Trial):
    def attack(self):
        for place in PLACES:
            attempt(f"create in {place}", lambda: os.open(f"{place}/{TARGETS['token']}", os.O_CREAT | os.O_WRONLY))
        for path in PLACES[-3:]:
            attempt(f"write {path}", lambda: os.open(path, os.O_WRONLY))
