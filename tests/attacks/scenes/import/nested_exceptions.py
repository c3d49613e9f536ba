"""Exceptions in exceptions, ten thousand deep."""
# expect: scene_error crashed
# tries: no
error = ValueError()
for _ in range(10000):
    outer = ValueError()
    outer.__cause__ = error
    error = outer
raise error
