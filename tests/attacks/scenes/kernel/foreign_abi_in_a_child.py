"""Makes a call of i386 in a child, to see the file that the parent may not."""
# expect: completed
import ctypes
import mmap
import os
import signal

from attack import *

SOCKETCALL_OF_I386 = bytes.fromhex("b866000000" "31db" "31c9" "cd80" "c3")


class Attack(Trial):
    def attack(self):
        page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(SOCKETCALL_OF_I386)
        call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        status = in_child(lambda: call())
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGSYS:
            breach(f"the call came back: {status:#x}")
        tried("int 0x80")
