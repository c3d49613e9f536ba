"""The zygote: imports Manim once, then forks per job. Reads no job code.

Started as ``PYTHON -P -s -B zygote.py CONTROL_FD NATIVE [spare]``, with a clean
environment. (Not with ``-I``: that would ignore PYTHONHASHSEED, and the order
of sets is part of the picture.) CONTROL_FD is a SOCK_SEQPACKET socket:

    zygote -> supervisor   one JSON object when ready: versions, fingerprints
    supervisor -> zygote   a byte with one descriptor, a job socket

For each job socket it forks a warden, which receives the start message and
forks the scene process. It ends when the control socket is closed and its
wardens are gone.

A fork of an interpreter with Manim in it takes milliseconds. So with a third
argument, "spare", it forks the next warden as soon as nobody has asked for one
for a moment; that one waits for its job socket on a socket of its own, whose
end of file tells it that none will come.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import traceback
from types import ModuleType

START_BYTES = 64 * 1024
START_DESCRIPTORS = 6
PACKAGE = "_manimd_harness"
SPARE_AFTER_MS = 100  # of silence: not while the job that was just lent begins


def load_harness(native_path: str) -> ModuleType:
    """Load this directory as a package, and the C extension into it."""
    here = os.path.dirname(os.path.abspath(__file__))
    native_spec = importlib.util.spec_from_file_location("_manimd", native_path)
    package_spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    for spec in (native_spec, package_spec):
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return importlib.import_module(PACKAGE + ".job")


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def is_open(fd: int) -> bool:
    """Whether a descriptor is open now."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def open_descriptors() -> set[int]:
    """Every open descriptor (the one that listed them is closed by then)."""
    return {fd for fd in map(int, os.listdir("/proc/self/fd")) if is_open(fd)}


def check_alone(control_fd: int) -> None:
    """A fork is only safe from one thread, and must not inherit surprises."""
    if threads() != 1:
        raise SystemExit(f"zygote: {threads()} threads after the import, expected 1")
    surplus = open_descriptors() - {0, 1, 2, control_fd}
    if surplus:
        raise SystemExit(f"zygote: unexpected descriptors {sorted(surplus)}")


def receive_start(job: socket.socket) -> tuple[dict, list[int]]:
    """The keeper's one message: what to render, and the descriptors for it."""
    data, fds, flags, _ = socket.recv_fds(job, START_BYTES, START_DESCRIPTORS)
    if not data:
        os._exit(0)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) != START_DESCRIPTORS:
        os._exit(125)
    return json.loads(data), fds


def warden(job: socket.socket, run: ModuleType, about: dict) -> None:
    """In the fork: wait for the start, fork the scene, wait for its end."""
    native = sys.modules["_manimd"]
    native.become_warden(job.fileno())
    job.send(json.dumps({"about": about}).encode())
    start, fds = receive_start(job)
    start["parent_pid"] = os.getpid()
    init_pid = native.begin_pids(job.fileno()) if start["namespaces"] else 0
    scene_pid = os.fork()
    if scene_pid == 0:
        run.main(job.detach(), start, fds, about)
        os._exit(0)
    for fd in fds:
        os.close(fd)
    native.guard(job.fileno(), scene_pid, init_pid, start["uid"])


def reap(*_: object) -> None:
    """Collect wardens that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Spare:
    """The warden that waits for the next job: none yet, one, or gone again."""

    def __init__(self) -> None:
        self.channel: socket.socket | None = None

    def hand(self, job_fd: int) -> bool:
        """Give it the job; whether there was one to take it."""
        channel, self.channel = self.channel, None
        if channel is None:
            return False
        with channel:
            try:
                socket.send_fds(channel, [b"j"], [job_fd])
            except OSError:  # it was killed
                return False
        return True

    def drop(self) -> None:
        """Close our end: in the zygote that ends it, in another fork nothing."""
        if self.channel is not None:
            self.channel.close()
        self.channel = None


def await_job(channel: socket.socket) -> socket.socket:
    """In the spare: its job socket; or the end of it, as of its zygote."""
    data, fds, _, _ = socket.recv_fds(channel, 1, 1)
    if not data or len(fds) != 1:
        os._exit(0)
    channel.close()
    return socket.socket(fileno=fds[0])


class Zygote:
    """What serves the control socket."""

    def __init__(self, control: socket.socket, run: ModuleType, about: dict) -> None:
        self.control, self.run, self.about = control, run, about
        self.spare = Spare()

    def fork(self, channel: socket.socket, is_job: bool) -> None:
        """A warden for the job socket `channel`, or for the one that comes by it."""
        if os.fork() != 0:
            return
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.control.close()
            self.spare.drop()
            warden(channel if is_job else await_job(channel), self.run, self.about)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(125)

    def fork_spare(self) -> None:
        """One that is ready before it is asked for."""
        self.spare.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.fork(theirs, is_job=False)

    def lend(self, job_fd: int) -> None:
        """The spare takes the job, or a fresh fork does."""
        with socket.socket(fileno=job_fd) as job:
            if not self.spare.hand(job_fd):
                self.fork(job, is_job=True)

    def serve(self, keeps_spare: bool) -> None:
        """Fork a warden for each job socket until the control socket is closed."""
        signal.signal(signal.SIGCHLD, reap)
        asked = select.poll()
        asked.register(self.control, select.POLLIN)
        while True:
            wanting = keeps_spare and self.spare.channel is None
            if not asked.poll(SPARE_AFTER_MS if wanting else None):
                self.fork_spare()
                continue
            data, fds, _, _ = socket.recv_fds(self.control, 1, 1)
            if not data:
                break
            if len(fds) == 1:
                self.lend(fds[0])
        self.spare.drop()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass


def main() -> None:
    """Import, say so, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    run = load_harness(sys.argv[2])
    about = run.prepare()
    gc.collect()
    gc.freeze()
    check_alone(control.fileno())
    control.send(json.dumps(about).encode())
    Zygote(control, run, about).serve("spare" in sys.argv[3:])


if __name__ == "__main__":
    main()
