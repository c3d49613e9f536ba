"""The harness: what runs in the interpreter beside Manim.

``zygote`` is the program: it imports everything once and forks per job.
``job`` is one scene, from the start message to its end; ``source`` loads the
user's file, ``writer`` sends what Manim draws into the ring, ``progress`` says
how far it has come, ``errors`` turns an exception into words about the user's
own file, ``fingerprint`` tells whether this is the Manim that we know.

All modules live in one package, so that none of their names can collide with
a module of the user's.
"""
