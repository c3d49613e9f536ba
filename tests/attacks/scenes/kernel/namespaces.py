"""Makes and enters namespaces, by unshare, clone, clone3 and setns."""
# expect: completed
from attack import *

FLAGS = {
    "mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
    "pid": 0x20000000, "net": 0x40000000, "time": 0x80, "files": 0x400, "fs": 0x200,
}  # fmt: skip
SIGCHLD = 17


class Attack(Trial):
    def attack(self):
        for name, flag in FLAGS.items():
            forbidden("unshare", flag)
            if name not in ("files", "fs", "time"):
                forbidden("clone", flag | SIGCHLD, 0, 0, 0, 0)
                forbidden("clone", flag | FLAGS["user"] | SIGCHLD, 0, 0, 0, 0)
            forbidden("setns", 0, flag)
        forbidden("clone3", None, 0)
