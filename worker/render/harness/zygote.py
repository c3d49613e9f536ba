"""The zygote: imports Manim once, then forks per job. Reads no job code.

Started as ``PYTHON -P -s -B zygote.py CONTROL_FD NATIVE``, with a clean
environment. (Not with ``-I``: that would ignore PYTHONHASHSEED, and the order
of sets is part of the picture.) CONTROL_FD is a SOCK_SEQPACKET socket:

    zygote -> supervisor   one JSON object when ready: versions, fingerprints
    supervisor -> zygote   a byte with one descriptor, a job socket

For each job socket it forks a warden, which receives the start message and
forks the scene process. It ends when the control socket is closed and its
wardens are gone.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import traceback
from types import ModuleType

START_BYTES = 64 * 1024
START_DESCRIPTORS = 6
PACKAGE = "_manimd_harness"


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
    scene_pid = os.fork()
    if scene_pid == 0:
        run.main(job.detach(), start, fds, about)
        os._exit(0)
    for fd in fds:
        os.close(fd)
    native.guard(job.fileno(), scene_pid, start["uid"])


def reap(*_: object) -> None:
    """Collect wardens that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def serve(control: socket.socket, run: ModuleType, about: dict) -> None:
    """Fork a warden for each job socket until the control socket is closed."""
    signal.signal(signal.SIGCHLD, reap)
    while True:
        data, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            break
        if len(fds) != 1:
            continue
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                warden(socket.socket(fileno=fds[0]), run, about)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(125)
        os.close(fds[0])
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
    serve(control, run, about)


if __name__ == "__main__":
    main()
