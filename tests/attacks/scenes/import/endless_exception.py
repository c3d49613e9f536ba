"""An exception that cannot be printed: its words have no end."""
# expect: time_limit scene_error
# job: timeout_s=3
# tries: no
class Endless(Exception):
    def __str__(self):
        while True:
            pass

    __repr__ = __str__


raise Endless
