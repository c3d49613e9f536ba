"""What an attack scene imports: how it says what it tried and what it reached.

The runner puts this file in front of each scene as the module `attack`, with
what was prepared outside as `TARGETS`. A scene's words are believed only
against us: a line that begins with BREACH fails the suite, and a scene without
a line that begins with `tried` has shown nothing. Calls by number are those of
x86_64, the only machine that raw system calls are tried on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from manim import Scene

TARGETS: dict[str, Any] = {}
"""What the runner prepared for this scene, by name (README.md lists it)."""

PARENTS = [pid for pid in [os.getppid()] if pid]
"""The parent; nobody in a PID namespace of its own, where 0 would mean oneself."""

CANARY = re.compile(rb"CANARY-[a-z]+-[0-9a-f]{32}")
"""What no scene may ever get to see. The pattern itself does not match it."""

_libc = ctypes.CDLL(None, use_errno=True)
_breaches: list[str] = []
_tried: list[str] = []
SAID_MAX = 200


class Trial(Scene):  # type: ignore[misc]
    """A scene that attacks, then goes on as if nothing had been."""

    def construct(self) -> None:
        """Attack, repeat what was reached (the log keeps its end), draw."""
        self.attack()
        for what in _breaches[:20]:
            print("BREACH", what)
        print("tried", len(_tried), flush=True)
        self.wait(0.1)

    def attack(self) -> None:
        """What the scene tries."""
        raise NotImplementedError


def say(word: str, what: str) -> None:
    """One short line, at once: the process may not live long."""
    os.write(1, f"{word} {what}"[:SAID_MAX].encode(errors="replace") + b"\n")


def breach(what: str) -> None:
    """The aim was reached."""
    _breaches.append(what[:SAID_MAX])
    say("BREACH", what)


def tried(what: str) -> None:
    """Something was tried, and held."""
    _tried.append(what)
    if len(_tried) <= 40:
        say("tried", what)


def attempt(what: str, call: Callable[[], Any], reached: Callable[[Any], bool] = lambda _: True) -> Any:
    """Make a forbidden call: a breach when it goes through and `reached` its aim."""
    try:
        value = call()
    except (OSError, ValueError, MemoryError, RuntimeError) as error:
        tried(f"{what}: {error}")
        return None
    if reached(value):
        breach(f"{what}: {shown(value)}")
    else:
        tried(f"{what}: nothing came of it")
    return value


def shown(value: Any) -> str:
    """What came of it, without the words of others: they are nobody's to see."""
    if isinstance(value, (bytes, str, list, dict)):
        return f"{len(value)} of {type(value).__name__}"
    return repr(value)


def look(what: str, data: bytes) -> None:
    """A breach when there is a canary in `data`, which is told in full."""
    found = CANARY.search(data)
    if found:
        breach(f"{what}: {found[0].decode()}")
    else:
        tried(f"{what}: {len(data)} bytes, no canary")


def read(path: str, limit: int = 1 << 20) -> bytes:
    """The beginning of a file; an engine covers some of them with /dev/null."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if path != os.devnull and os.fstat(fd).st_rdev == os.makedev(1, 3):
            raise PermissionError(errno.EACCES, "covered", path)
        return os.read(fd, limit)
    finally:
        os.close(fd)


def read_forbidden(path: str) -> None:
    """Try to read a file of somebody else."""
    attempt(f"read {path}", lambda: read(path))


def in_child(work: Callable[[], None], seconds: float = 10) -> int:
    """Run `work` in a fork, which must not outlive the call; its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            say("child", repr(error))
        finally:
            os._exit(1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def typeset(body: str, engine: str = "latex") -> bool:
    """Run TeX on a document, as the harness does not; whether it ended well."""
    with open("t.tex", "w") as file:
        file.write("\\documentclass{article}\\begin{document}" + body + "\\end{document}")
    form = "-no-pdf" if engine == "xelatex" else "-output-format=dvi"
    command = [engine, "-interaction=nonstopmode", form, "t.tex"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30).returncode == 0


def typeset_contents() -> bytes:
    """All that TeX has written, and what dvisvgm makes of it; there is a log at least."""
    made = "t.xdv" if os.path.exists("t.xdv") else "t.dvi"
    command = ["dvisvgm", "-v0", "-n", "-o", "t.svg", made]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30)
    if not os.path.exists("t.log"):
        raise RuntimeError("TeX did not run, so nothing was tried")
    names = [name for name in os.listdir(".") if os.path.isfile(name) and name != "t.tex"]
    return b"".join(open(name, "rb").read() for name in names)


NUMBERS = {
    "read": 0, "mmap": 9, "shmget": 29, "socket": 41, "connect": 42, "socketpair": 53, "clone": 56,
    "execve": 59, "kill": 62, "semget": 64, "msgget": 68, "chmod": 90, "chown": 92, "lchown": 94,
    "ptrace": 101, "syslog": 103, "setuid": 105, "setgid": 106, "setreuid": 113, "setgroups": 116,
    "setresuid": 117, "setresgid": 119, "setfsuid": 122, "capset": 126, "utime": 132, "mknod": 133,
    "uselib": 134, "personality": 135, "ustat": 136, "sysfs": 139, "sched_setparam": 142,
    "sched_setscheduler": 144, "vhangup": 153, "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156,
    "prctl": 157, "adjtimex": 159, "chroot": 161, "sync": 162, "acct": 163, "settimeofday": 164,
    "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170,
    "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
    "quotactl": 179, "lookup_dcookie": 212, "remap_file_pages": 216, "clock_settime": 227,
    "mbind": 237, "set_mempolicy": 238, "mq_open": 240, "mq_unlink": 241, "kexec_load": 246,
    "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251, "migrate_pages": 256,
    "mknodat": 259, "unshare": 272, "splice": 275, "vmsplice": 278, "move_pages": 279,
    "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "clock_adjtime": 305, "syncfs": 306, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "sched_setattr": 314, "seccomp": 317,
    "memfd_create": 319, "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "landlock_create_ruleset": 444, "landlock_restrict_self": 446, "memfd_secret": 447,
    "process_mrelease": 448, "set_mempolicy_home_node": 450, "cachestat": 451, "fchmodat2": 452,
    "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460,
    "open_tree_attr": 467,
}  # fmt: skip


def syscall(name: str | int, *words: Any) -> int:
    """A raw system call; an error is an OSError."""
    number = NUMBERS[name] if isinstance(name, str) else name
    ctypes.set_errno(0)
    given = [ctypes.c_long(w) if isinstance(w, int) else w for w in words]
    value = int(_libc.syscall(ctypes.c_long(number), *given))
    if value == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(name))
    return value


def forbidden(name: str, *words: Any, unless: tuple[int, ...] = ()) -> None:
    """A system call that must be refused as such: an error that its arguments
    would have met only inside the kernel counts as a breach, since it got there."""
    refused = {errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EACCES, *unless}
    try:
        value = syscall(name, *words)
    except OSError as error:
        if error.errno in refused:
            tried(f"{name}: {error.strerror}")
        else:
            breach(f"{name} got into the kernel: {error.strerror}")
    else:
        breach(f"{name} went through: {value}")
        if name == "clone" and value == 0:
            os._exit(0)  # it is the child


def numbers(value: str) -> list[int]:
    """Process ids out of a target, but for our own: we may have been forked ahead of our
    job, and then were among the zygote's processes."""
    return [pid for pid in map(int, value.split()) if pid != os.getpid()]


def module_of_this() -> Any:
    """This module, for a scene that wants to look into it."""
    return sys.modules[__name__]
