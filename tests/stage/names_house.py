"""Inside namespaces of the test's own (network and mounts): a DNS server that
answers what the test wants, a server of files, and one fetch stage.

    unshare --net --mount -- python3 names_house.py CASE.json

CASE.json: {"names": {name: [address, …] | null}, "job", "options", "directory",
"listen": [address, …], "certificates"}; null: the name is never answered.
Prints JSON: {"status", "result", "stderr", "asked", "questions", "seconds"}.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from files_server import Files

A, AAAA = 1, 28
PORT = 443


def question_of(packet: bytes) -> tuple[str, int, bytes]:
    """Name, type and the question's own bytes."""
    at, labels = 12, []
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode())
        at += length + 1
    kind = struct.unpack(">H", packet[at + 1 : at + 3])[0]
    return ".".join(labels).lower(), kind, packet[12 : at + 5]


def answer_to(packet: bytes, names: dict[str, list[str] | None], questions: list[str]) -> bytes | None:
    """What a DNS server says (RFC 1035); None: nothing at all."""
    name, kind, question = question_of(packet)
    questions.append(f"{name} {kind}")
    addresses = names.get(name, [])
    if addresses is None:
        return None
    found = []
    for text in addresses:
        address = ipaddress.ip_address(text)
        if (kind, address.version) in ((A, 4), (AAAA, 6)):
            data = address.packed
            found.append(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data)
    code = 0 if name in names else 3
    return packet[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(found), 0, 0) + question + b"".join(found)


def serve_names(names: dict[str, list[str] | None], questions: list[str]) -> None:
    """Forever, on 127.0.0.1."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve() -> None:
        while True:
            packet, sender = server.recvfrom(4096)
            if answer := answer_to(packet, names, questions):
                server.sendto(answer, sender)

    threading.Thread(target=serve, daemon=True).start()


def set_up(directory: Path, addresses: list[str]) -> None:
    """Loopback, with more addresses on it, and our own resolver."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        bits = 32 if ipaddress.ip_address(address).version == 4 else 128
        words = ["ip", "addr", "add", f"{address}/{bits}", "dev", "lo", *(["nodad"] if bits == 128 else [])]
        with suppress(subprocess.CalledProcessError):  # 127.0.0.0/8 and ::1 are there
            subprocess.run(words, check=True, capture_output=True)
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        mine = directory / name
        mine.write_text(text)
        mine.chmod(0o644)
        subprocess.run(["mount", "--bind", str(mine), f"/etc/{name}"], check=True)


def main() -> None:
    """One case."""
    case = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(case["directory"])
    set_up(directory, case["listen"])
    questions: list[str] = []
    serve_names(case["names"], questions)
    files = Files(Path(case["certificates"]))
    files.serve("/s.py", b"x = 1\n")
    for address in case["listen"]:
        files.listen(True, address, socket.AF_INET6 if ":" in address else socket.AF_INET, PORT)
    job = directory / "job"
    job.mkdir()
    (job / "job.json").write_text(json.dumps(case["job"]))
    env = {"PATH": os.environ["PATH"]} | {f"MANIMD_{k.upper()}": str(v) for k, v in case["options"].items()}
    began = time.monotonic()
    done = subprocess.run([case["manimd"], "stage", "fetch", str(job)], env=env, capture_output=True, text=True)
    said = {"status": done.returncode, "stderr": done.stderr, "asked": files.asked, "questions": questions}
    said |= {"result": json.loads((job / "fetch.json").read_text()), "seconds": time.monotonic() - began}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
