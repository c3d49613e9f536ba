"""Opens every device that might be there."""
# expect: completed
# gpu: no, there it may: the nodes of its driver
import os

from attack import *

PATHS = (
    "/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/kvm", "/dev/net/tun", "/dev/loop-control", "/dev/loop0", "/dev/sda",
    "/dev/vda", "/dev/nvme0n1", "/dev/dm-0", "/dev/mapper/control", "/dev/fuse", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/vsock",
    "/dev/uinput", "/dev/input/event0", "/dev/hpet", "/dev/rtc0", "/dev/cpu/0/msr", "/dev/cpu/0/cpuid",
    "/dev/dri/card0", "/dev/dri/renderD128", "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm", "/dev/kfd", "/dev/snd/timer",
    "/dev/zero", "/dev/full", "/dev/shm", "/dev/mqueue", "/dev/hugepages", "/dev/autofs", "/dev/btrfs-control", "/dev/ppp",
    "/dev/tpm0", "/dev/udmabuf", "/dev/dma_heap/system", "/dev/vfio/vfio", "/dev/bus/usb", "/dev/video0",
)  # fmt: skip


class Attack(Trial):
    def attack(self):
        for path in PATHS:
            for flags in (os.O_RDONLY, os.O_RDWR):
                attempt(f"{path} {flags}", lambda: os.open(path, flags | os.O_NONBLOCK))
        attempt("list /dev", lambda: os.listdir("/dev"))
        attempt("write to the random pool", lambda: os.open("/dev/random", os.O_WRONLY))
