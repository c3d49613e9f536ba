"""Reads where credentials use to lie."""
# expect: completed
from attack import *

PLACES = (
    "/root/.aws/credentials", "/root/.ssh/id_rsa", "/root/.ssh/authorized_keys", "/root/.netrc", "/root/.pgpass",
    "/root/.docker/config.json", "/root/.config/gcloud/credentials.db", "/root/.kube/config", "/root/.bash_history",
    "/var/run/secrets/kubernetes.io/serviceaccount/token", "/run/secrets", "/run/credentials", "/etc/shadow",
    "/etc/gshadow", "/etc/passwd", "/etc/group", "/etc/sudoers", "/etc/ssh/ssh_host_ed25519_key", "/etc/machine-id",
    "/etc/hosts", "/etc/manimd/manimd.conf", "/etc/environment", "/proc/keys", "/proc/key-users",
    "/sys/class/dmi/id/product_uuid", "/var/lib/cloud/instance/user-data.txt", "/run/user", "/.dockerenv",
    "/proc/1/root/etc/shadow", "/var/lib/dpkg/status", "/var/log/syslog", "/run/systemd",
)  # fmt: skip


class Attack(Trial):
    def attack(self):
        for path in PLACES + (TARGETS["config"],):
            read_forbidden(path)
