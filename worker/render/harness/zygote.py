"""The zygote: imports Manim once, then forks per job. Reads no job code.

Started as ``PYTHON -P -s -B zygote.py CONTROL_FD NATIVE [spare [namespaces]]``, with
a clean environment. (Not with ``-I``: that would ignore PYTHONHASHSEED, and the order
of sets is part of the picture.) CONTROL_FD is a SOCK_SEQPACKET socket:

    zygote -> supervisor   one JSON object when ready: versions, fingerprints
    supervisor -> zygote   a byte with one descriptor, a job socket

For each job socket it forks a warden, which forks the scene process and passes
the start message on to it. It ends when the control socket is closed and its
wardens are gone.

A fork of an interpreter with Manim in it takes milliseconds. So with a third
argument, "spare", it forks the next warden as soon as nobody has asked for one
for a moment; that one forks its scene process ahead, too (in a PID namespace if a
fourth argument says so), and waits for its job socket on a socket of its own, whose
end of file tells it that none will come. What is forked ahead serves one job, as
what is forked for it does.
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
SCENE_CHANNEL = 3
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


def receive(channel: socket.socket, count: int) -> tuple[bytes, list[int]]:
    """One message with `count` descriptors; the end of this process if none comes."""
    data, fds, flags, _ = socket.recv_fds(channel, START_BYTES, count)
    if not data:
        os._exit(0)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) != count:
        os._exit(125)
    return data, fds


def tell(job: socket.socket, word: dict) -> None:
    """A message to the keeper."""
    job.send(json.dumps(word).encode())


class Scene:
    """A scene process, which waits for the start of its one job, or the end of its warden."""

    def __init__(self, run: ModuleType, about: dict, init_pid: int, wardens: list[socket.socket],
                 fds: list[int]) -> None:  # fmt: skip
        self.init_pid = init_pid  # pid 1 of its PID namespace; 0: it has none
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        warden_pid = os.getpid()
        with theirs:
            self.pid = os.fork()
            if self.pid == 0:
                for ours in (self.channel, *wardens):
                    ours.close()
                for fd in fds:
                    os.close(fd)
                self.live(theirs.detach(), warden_pid, run, about)

    @staticmethod
    def live(channel_fd: int, warden_pid: int, run: ModuleType, about: dict) -> None:
        """In that process. Its descriptors have the same numbers, forked ahead or not."""
        try:
            if channel_fd != SCENE_CHANNEL:  # which is free: there are no others
                os.dup2(channel_fd, SCENE_CHANNEL, inheritable=False)
                os.close(channel_fd)
            with socket.socket(fileno=SCENE_CHANNEL) as channel:
                data, (job_fd, *fds) = receive(channel, 1 + START_DESCRIPTORS)
            run.main(job_fd, {**json.loads(data), "parent_pid": warden_pid}, fds, about)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(125)

    def start(self, job: socket.socket, data: bytes, fds: list[int]) -> None:
        """Its job."""
        with self.channel:
            socket.send_fds(self.channel, [data], [job.fileno(), *fds])
        for fd in fds:
            os.close(fd)

    def drop(self) -> None:
        """No job will come."""
        self.channel.close()
        os.waitpid(self.pid, 0)
        if self.init_pid:
            os.kill(self.init_pid, signal.SIGTERM)
            os.waitpid(self.init_pid, 0)


def begin_pids(job_fd: int) -> int:
    """A PID namespace for the next fork; its pid 1. Who hears it if there can be none: the
    keeper, or nobody."""
    return sys.modules["_manimd"].begin_pids(job_fd)


def warden(job: socket.socket, run: ModuleType, about: dict, scene: Scene | None) -> None:
    """In the fork: wait for the start, pass it to the scene, wait for its end."""
    native = sys.modules["_manimd"]
    native.become_warden()
    tell(job, {"warden": os.getpid(), "about": about})
    data, fds = receive(job, START_DESCRIPTORS)
    start = json.loads(data)
    if scene is None:
        init_pid = begin_pids(job.fileno()) if start["namespaces"] else 0
        scene = Scene(run, about, init_pid, [job], fds)
    if bool(scene.init_pid) != bool(start["namespaces"]):
        tell(job, {"setup_failed": "the zygote was started for another sandbox than the job's"})
        os._exit(125)
    if scene.init_pid:
        tell(job, {"init": scene.init_pid})
    scene.start(job, data, fds)
    native.guard(job.fileno(), scene.pid, scene.init_pid, start["uid"])


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


def await_job(channel: socket.socket, scene: Scene) -> socket.socket:
    """In the spare: its job socket; or the end of it, as of its zygote or its scene."""
    ready, _, _ = select.select([channel, scene.channel], [], [])
    _, fds, _, _ = socket.recv_fds(channel, 1, 1) if ready == [channel] else (b"", [], 0, None)
    if len(fds) != 1:
        scene.drop()
        os._exit(0)
    channel.close()
    return socket.socket(fileno=fds[0])


class Zygote:
    """What serves the control socket."""

    def __init__(self, control: socket.socket, run: ModuleType, about: dict) -> None:
        self.control, self.run, self.about = control, run, about
        self.spare = Spare()
        self.keeps_spare, self.namespaces = "spare" in sys.argv[3:], "namespaces" in sys.argv[3:]

    def become_spare(self, channel: socket.socket) -> None:
        """A warden that has its scene before its job."""
        sys.modules["_manimd"].become_warden()
        init_pid = begin_pids(-1) if self.namespaces else 0
        scene = Scene(self.run, self.about, init_pid, [channel], [])
        warden(await_job(channel, scene), self.run, self.about, scene)

    def fork(self, channel: socket.socket, is_job: bool) -> None:
        """A warden for the job socket `channel`, or for the one that comes by it."""
        if os.fork() != 0:
            return
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.control.close()
            self.spare.drop()
            if is_job:
                warden(channel, self.run, self.about, None)
            else:
                self.become_spare(channel)
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

    def serve(self) -> None:
        """Fork a warden for each job socket until the control socket is closed."""
        signal.signal(signal.SIGCHLD, reap)
        asked = select.poll()
        asked.register(self.control, select.POLLIN)
        while True:
            wanting = self.keeps_spare and self.spare.channel is None
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
    Zygote(control, run, about).serve()


if __name__ == "__main__":
    main()
