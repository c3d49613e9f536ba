"""Threads, a pool, a program and a forked child: ordinary Python."""
# expect: completed
import concurrent.futures
import multiprocessing
import subprocess

from manim import *


class ThreadsAndChildren(Scene):
    def construct(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(lambda n: n * n, range(100))) == 328350
        done = subprocess.run(["echo", "one"], capture_output=True, text=True)
        assert done.stdout == "one\n"
        reader, writer = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(target=lambda: writer.send("two"))
        child.start()
        assert reader.recv() == "two"
        child.join()
        self.wait(0.2)
