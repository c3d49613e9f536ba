/* Which system calls a scene, an encoder and a fetcher may make: see seccomp.c. */
#include "filter.h"

#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT (1 << 2)
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* What reading, computing, waiting and threads need. */
static const char *const common[] = {"read",
                                     "write",
                                     "readv",
                                     "writev",
                                     "pread64",
                                     "pwrite64",
                                     "preadv",
                                     "pwritev",
                                     "preadv2",
                                     "pwritev2",
                                     "open",
                                     "openat",
                                     "openat2",
                                     "close",
                                     "close_range",
                                     "lseek",
                                     "stat",
                                     "fstat",
                                     "lstat",
                                     "newfstatat",
                                     "statx",
                                     "access",
                                     "faccessat",
                                     "faccessat2",
                                     "ftruncate",
                                     "fallocate",
                                     "fsync",
                                     "fdatasync",
                                     "fadvise64",
                                     "readlink",
                                     "readlinkat",
                                     "getdents",
                                     "getdents64",
                                     "getcwd",
                                     "unlink",
                                     "unlinkat",
                                     "rename",
                                     "renameat",
                                     "statfs",
                                     "fstatfs",
                                     "dup",
                                     "dup2",
                                     "dup3",
                                     "flock",
                                     "pipe",
                                     "pipe2",
                                     "poll",
                                     "ppoll",
                                     "select",
                                     "pselect6",
                                     "eventfd",
                                     "eventfd2",
                                     "munmap",
                                     "mprotect",
                                     "mremap",
                                     "brk",
                                     "madvise",
                                     "mincore",
                                     "membarrier",
                                     "exit",
                                     "exit_group",
                                     "futex",
                                     "futex_waitv",
                                     "set_robust_list",
                                     "get_robust_list",
                                     "set_tid_address",
                                     "rseq",
                                     "sched_yield",
                                     "sched_getaffinity",
                                     "sched_getparam",
                                     "sched_getscheduler",
                                     "sched_get_priority_max",
                                     "sched_get_priority_min",
                                     "getpriority",
                                     "getcpu",
                                     "rt_sigaction",
                                     "rt_sigprocmask",
                                     "rt_sigreturn",
                                     "rt_sigpending",
                                     "rt_sigsuspend",
                                     "rt_sigtimedwait",
                                     "sigaltstack",
                                     "restart_syscall",
                                     "kill",
                                     "tgkill",
                                     "pause",
                                     "getpid",
                                     "gettid",
                                     "getppid",
                                     "getuid",
                                     "geteuid",
                                     "getgid",
                                     "getegid",
                                     "getresuid",
                                     "getresgid",
                                     "getgroups",
                                     "getpgid",
                                     "getpgrp",
                                     "getsid",
                                     "capget",
                                     "umask",
                                     "clock_gettime",
                                     "clock_getres",
                                     "clock_nanosleep",
                                     "nanosleep",
                                     "gettimeofday",
                                     "time",
                                     "times",
                                     "getrusage",
                                     "getrlimit",
                                     "uname",
                                     "sysinfo",
                                     "getrandom",
                                     "arch_prctl",
                                     "get_thread_area",
                                     "set_thread_area",
                                     NULL};

/* Programs, directories, timers: Python, TeX, dvisvgm. */
static const char *const scene_only[] = {"creat",
                                         "truncate",
                                         "sendfile",
                                         "copy_file_range",
                                         "splice",
                                         "readahead",
                                         "chdir",
                                         "fchdir",
                                         "mkdir",
                                         "mkdirat",
                                         "rmdir",
                                         "fchmod",
                                         "fork",
                                         "vfork",
                                         "execve",
                                         "execveat",
                                         "wait4",
                                         "waitid",
                                         "tkill",
                                         "rt_sigqueueinfo",
                                         "timer_create",
                                         "timer_settime",
                                         "timer_gettime",
                                         "timer_getoverrun",
                                         "timer_delete",
                                         "timerfd_create",
                                         "timerfd_settime",
                                         "timerfd_gettime",
                                         "setitimer",
                                         "getitimer",
                                         "alarm",
                                         "signalfd",
                                         "signalfd4",
                                         "pidfd_open",
                                         "pidfd_send_signal",
                                         "setrlimit",
                                         "mlock",
                                         "munlock",
                                         "get_mempolicy",
                                         NULL};

/* By path, on files that the box need not be able to open: Landlock does not
 * look at these, so only a uid of one's own makes them harmless. */
static const char *const attributes[] = {"chmod",  "fchmodat",  "fchmodat2", "utime",
                                         "utimes", "utimensat", "futimesat", NULL};

/* Without a uid of its own a box is emptied by its process group, which nothing
 * in it may leave (empty.c). */
static const char *const process_groups[] = {"setpgid", "setsid", NULL};

/* Each is made by nothing but an attempt to get out, or to harm the host: so it
 * is not only refused, but counted (tripwire.c). */
static const char *const tripwires[] = {"ptrace",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "pidfd_getfd",
                                        "bpf",
                                        "perf_event_open",
                                        "userfaultfd",
                                        "keyctl",
                                        "add_key",
                                        "request_key",
                                        "io_uring_setup",
                                        "io_uring_enter",
                                        "io_uring_register",
                                        "seccomp",
                                        "mount",
                                        "umount",
                                        "umount2",
                                        "pivot_root",
                                        "chroot",
                                        "setns",
                                        "unshare",
                                        "open_tree",
                                        "move_mount",
                                        "fsopen",
                                        "fsmount",
                                        "fsconfig",
                                        "fspick",
                                        "mount_setattr",
                                        "open_by_handle_at",
                                        "swapon",
                                        "swapoff",
                                        "reboot",
                                        "kexec_load",
                                        "kexec_file_load",
                                        "init_module",
                                        "finit_module",
                                        "delete_module",
                                        "settimeofday",
                                        "clock_settime",
                                        "sethostname",
                                        "setdomainname",
                                        "iopl",
                                        "ioperm",
                                        "modify_ldt",
                                        "fanotify_init",
                                        "quotactl",
                                        "quotactl_fd",
                                        "syslog",
                                        "acct",
                                        NULL};

/* Never needed either; refused as a kernel does that does not let you, not as
 * one that does not know it. */
static const char *const forbidden[] = {"process_madvise",
                                        "kcmp",
                                        "name_to_handle_at",
                                        "clock_adjtime",
                                        "adjtimex",
                                        "vhangup",
                                        "fanotify_mark",
                                        "sync",
                                        "syncfs",
                                        "shmget",
                                        "shmat",
                                        "shmctl",
                                        "shmdt",
                                        "semget",
                                        "semop",
                                        "semctl",
                                        "semtimedop",
                                        "msgget",
                                        "msgsnd",
                                        "msgrcv",
                                        "msgctl",
                                        "ipc",
                                        "mq_open",
                                        "mq_unlink",
                                        "mq_timedsend",
                                        "mq_timedreceive",
                                        "mq_notify",
                                        "mq_getsetattr",
                                        "vmsplice",
                                        "move_pages",
                                        "migrate_pages",
                                        "mbind",
                                        "set_mempolicy",
                                        "set_mempolicy_home_node",
                                        "setuid",
                                        "setgid",
                                        "setreuid",
                                        "setregid",
                                        "setresuid",
                                        "setresgid",
                                        "setfsuid",
                                        "setfsgid",
                                        "setgroups",
                                        "capset",
                                        "chown",
                                        "fchown",
                                        "lchown",
                                        "fchownat",
                                        "mknod",
                                        "mknodat",
                                        "link",
                                        "linkat",
                                        "symlink",
                                        "symlinkat",
                                        "sched_setscheduler",
                                        "sched_setparam",
                                        "sched_setattr",
                                        "ioprio_set",
                                        "lookup_dcookie",
                                        "personality",
                                        "uselib",
                                        "ustat",
                                        "sysfs",
                                        "nfsservctl",
                                        "remap_file_pages",
                                        NULL};

/* Its pages may be in nobody's resident set, so they are counted: held.c. */
static const char *const anonymous_files[] = {"memfd_create", NULL};

/* What it watches is the kernel's memory, 128 bytes a descriptor and set of them,
 * in nobody's sight (epoll(7): up to a 25th of the machine's memory). Who could
 * make use of it has sockets. */
static const char *const watching_descriptors[] = {
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait",  "epoll_pwait2",  NULL};

static const char *const encoder_forbidden[] = {"fork",     "vfork",  "execve",   "execveat",
                                                "chmod",    "fchmod", "fchmodat", "fchmodat2",
                                                "truncate", NULL};

static const char *const shared_uid_forbidden[] = {"chmod",  "fchmodat",  "fchmodat2", "utime",
                                                   "utimes", "futimesat", NULL};

static const char *const sockets[] = {"socket", "socketpair", "socketcall", NULL};

/* A client of others' servers: names are asked for by UDP, files come by TCP. */
static const char *const calling[] = {
    "connect",     "sendto",      "sendmsg",    "sendmmsg",   "recvfrom", "recvmsg", "recvmmsg",
    "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", NULL};
static const char *const being_called[] = {"bind", "listen", "accept", "accept4", NULL};

/* As on a file system without them: Python's shutil then copies without. */
static const char *const attributes_extended[] = {
    "setxattr",     "lsetxattr",    "fsetxattr",  "getxattr",   "lgetxattr",
    "fgetxattr",    "listxattr",    "llistxattr", "flistxattr", "removexattr",
    "lremovexattr", "fremovexattr", NULL};

/* What one plan gets must not name a call twice: libseccomp would refuse. */
static const struct filter_names groups[] = {
    {FILTER_ALL, 0, common},
    {FILTER_SCENE, 0, scene_only},
    {FILTER_SCENE_OWN_UID, 0, attributes},
    {FILTER_SCENE_SHARED_UID, EPERM, shared_uid_forbidden},
    {FILTER_SCENE_OWN_UID, 0, process_groups},
    {FILTER_SCENE_SHARED_UID, EPERM, process_groups},
    {FILTER_SCENE, FILTER_TRIPS | EPERM, tripwires},
    {FILTER_ENCODER | FILTER_FETCH, EPERM, tripwires},
    {FILTER_ALL, EPERM, forbidden},
    {FILTER_GPU, 0, anonymous_files},
    {FILTER_FETCH, 0, watching_descriptors},
    {FILTER_ALL & ~FILTER_FETCH, EPERM, watching_descriptors},
    {FILTER_ENCODER | FILTER_FETCH, EPERM, encoder_forbidden},
    {FILTER_ENCODER, EAFNOSUPPORT, sockets},
    {FILTER_FETCH, 0, calling},
    {FILTER_FETCH, EPERM, being_called},
    {FILTER_ALL, ENOTSUP, attributes_extended},
};

#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

#define IF(number, operator, ...)                                      \
    {                                                                  \
        .used = true, .index = (number), .op = (operator), __VA_ARGS__ \
    }
#define IF_IS(number, value) IF(number, FILTER_EQ, .a = (value))
#define IF_ABOVE(number, value) IF(number, FILTER_GT, .a = (value))
#define IF_BITS(number, mask, value) IF(number, FILTER_MASKED, .a = (mask), .b = (value))
#define REFUSE_CLONE(flag)                                                  \
    {                                                                       \
        "clone", FILTER_SCENE, FILTER_TRIPS | EPERM, IF_BITS(0, flag, flag) \
    }
#define ALLOW_IOCTL(command)                      \
    {                                             \
        "ioctl", FILTER_ALL, 0, IF_IS(1, command) \
    }
#define ALLOW_IOCTL_BITS(kinds, mask, value)       \
    {                                              \
        "ioctl", kinds, 0, IF_BITS(1, mask, value) \
    }
#define ALLOW_NVIDIA(number) ALLOW_IOCTL_BITS(FILTER_GPU, 0xffff, 0x4600 | (number))
#define ALLOW_FCNTL(command)                      \
    {                                             \
        "fcntl", FILTER_ALL, 0, IF_IS(1, command) \
    }
#define REFUSE_LOCK(command)                           \
    {                                                  \
        "fcntl", FILTER_ALL, ENOLCK, IF_IS(1, command) \
    }
#define ALLOW_PRCTL(option)                      \
    {                                            \
        "prctl", FILTER_ALL, 0, IF_IS(0, option) \
    }

/* Conditions on one call must not overlap, or the first that was added wins. */
static const struct filter_rule rules[] = {
    /* clone3() hides its flags in memory, where no filter sees them: ENOSYS. */
    {"clone", FILTER_SCENE, 0, IF_BITS(0, NAMESPACES | CLONE_PARENT, 0)},
    REFUSE_CLONE(CLONE_PARENT), /* a child of whoever watches us */
    REFUSE_CLONE(CLONE_NEWNS),
    REFUSE_CLONE(CLONE_NEWCGROUP),
    REFUSE_CLONE(CLONE_NEWUTS),
    REFUSE_CLONE(CLONE_NEWIPC),
    REFUSE_CLONE(CLONE_NEWUSER),
    REFUSE_CLONE(CLONE_NEWPID),
    REFUSE_CLONE(CLONE_NEWNET),
    {"clone", FILTER_ENCODER | FILTER_FETCH, 0,
     IF_BITS(0, CLONE_THREAD | NAMESPACES, CLONE_THREAD)},
    {"clone", FILTER_ENCODER | FILTER_FETCH, EPERM, IF_BITS(0, CLONE_THREAD, 0)},

    /* glibc asks for its name service cache by a local socket and goes on
     * without, and so may any honest program; who wants another family wants
     * out. (An encoder has no reason for any: its group above.) */
    {"socket", FILTER_SCENE, EAFNOSUPPORT, IF_IS(0, AF_UNSPEC)},
    {"socket", FILTER_SCENE, EAFNOSUPPORT, IF_IS(0, AF_UNIX)},
    {"socket", FILTER_SCENE, FILTER_TRIPS | EAFNOSUPPORT, IF_ABOVE(0, AF_UNIX)},
    {"socketpair", FILTER_SCENE, EAFNOSUPPORT, IF_IS(0, AF_UNSPEC)},
    {"socketpair", FILTER_SCENE, EAFNOSUPPORT, IF_IS(0, AF_UNIX)},
    {"socketpair", FILTER_SCENE, FILTER_TRIPS | EAFNOSUPPORT, IF_ABOVE(0, AF_UNIX)},
    /* The seal's last act; a box itself can have no such descriptor. */
    {"sendmsg", FILTER_SCENE, 0, IF_IS(0, BOX_TRIPWIRE_FD)},

    /* Shared anonymous memory stays allocated while it is in no process's
     * resident set (MADV_DONTNEED, a part unmapped), out of the watch's sight;
     * as does memory of /dev/zero, which is therefore not to be had, and that
     * of memfd_create(). Huge pages are counted nowhere. */
    {"mmap", FILTER_ALL, 0, IF_BITS(3, MAP_ANONYMOUS, 0)},
    {"mmap", FILTER_ALL, 0, IF_BITS(3, MAP_ANONYMOUS | MAP_SHARED | MAP_HUGETLB, MAP_ANONYMOUS)},
    {"mmap", FILTER_ALL & ~FILTER_ENCODER_GPU, EPERM,
     IF_BITS(3, MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS | MAP_SHARED)},
    /* CUDA's contexts. (get_mempolicy stays unknown, ENOSYS: who knows it wants a
     * socket to be called at, and does not come up without.) */
    {"mmap", FILTER_ENCODER_GPU, 0,
     IF_BITS(3, MAP_ANONYMOUS | MAP_SHARED, MAP_ANONYMOUS | MAP_SHARED)},

    /* No daemon of this machine (unix), no routes (netlink); curl's threads talk
     * over a pair. */
    {"socket", FILTER_FETCH, 0, IF_IS(0, AF_INET)},
    {"socket", FILTER_FETCH, 0, IF_IS(0, AF_INET6)},
    {"socket", FILTER_FETCH, EAFNOSUPPORT, IF_IS(0, AF_UNIX)},
    {"socket", FILTER_FETCH, EAFNOSUPPORT, IF_ABOVE(0, AF_INET6)},
    {"socketpair", FILTER_FETCH, 0, IF_IS(0, AF_UNIX)},

    /* Itself only. */
    {"prlimit64", FILTER_ALL, 0, IF_IS(0, 0)},
    {"prlimit64", FILTER_ALL, EPERM, IF_ABOVE(0, 0)},
    {"sched_setaffinity", FILTER_ALL, 0, IF_IS(0, 0)},
    {"sched_setaffinity", FILTER_ALL, EPERM, IF_ABOVE(0, 0)},
    {"setpriority", FILTER_ALL, EPERM, IF_ABOVE(0, 0)},
    {"setpriority", FILTER_SCENE_OWN_UID, 0, IF_IS(0, PRIO_PROCESS)},

    /* By path; of an open file (path NULL) always. */
    {"utimensat", FILTER_SCENE, 0, IF_IS(1, 0)},
    {"utimensat", FILTER_SCENE_OWN_UID, 0, IF_ABOVE(1, 0)},
    {"utimensat", FILTER_SCENE_SHARED_UID, EPERM, IF_ABOVE(1, 0)},

    /* A whiteout is a device, made where Landlock does not look for one. */
    {"renameat2", FILTER_ALL, 0, IF_BITS(4, RENAME_WHITEOUT, 0)},
    {"renameat2", FILTER_ALL, EPERM, IF_BITS(4, RENAME_WHITEOUT, RENAME_WHITEOUT)},
    /* Not TIOCSTI, TIOCLINUX, nor any device's own. */
    ALLOW_IOCTL(TCGETS),
    ALLOW_IOCTL(TIOCGWINSZ),
    ALLOW_IOCTL(FIONREAD),
    ALLOW_IOCTL(FIONBIO),
    ALLOW_IOCTL(FIOCLEX),
    ALLOW_IOCTL(FIONCLEX),

    /* Locks on ranges of bytes are the kernel's memory, 200 bytes each, as many as a
     * file has bytes, and seen by nobody (RLIMIT_LOCKS is obsolete: setrlimit(2)).
     * flock(2) has one for each open file. */
    ALLOW_FCNTL(F_DUPFD),
    ALLOW_FCNTL(F_DUPFD_CLOEXEC),
    ALLOW_FCNTL(F_GETFD),
    ALLOW_FCNTL(F_SETFD),
    ALLOW_FCNTL(F_GETFL),
    ALLOW_FCNTL(F_SETFL),
    ALLOW_FCNTL(F_GETLK),
    ALLOW_FCNTL(F_GETPIPE_SZ),
    ALLOW_FCNTL(F_SETPIPE_SZ),
    ALLOW_FCNTL(F_GET_SEALS),
    ALLOW_FCNTL(F_ADD_SEALS),
    REFUSE_LOCK(F_SETLK),
    REFUSE_LOCK(F_SETLKW),
    REFUSE_LOCK(F_OFD_SETLK),
    REFUSE_LOCK(F_OFD_SETLKW),

    /* NVIDIA's commands are _IOWR('F', …), whose numbers are the resource manager's
     * (nv_escape.h of the open kernel modules) and, from 200 on, the device's own
     * (nv-ioctl-numbers.h). Never 211, which passes on any other: what is listed here
     * would mean nothing. Then those of a render node ('d': DRM), and CUDA's unified
     * memory, which are bare numbers up to 127 and two above 2^28 (uvm_ioctl.h,
     * uvm_linux_ioctl.h). NVENC is reached by CUDA. */
    ALLOW_NVIDIA(0x27), /* allocate memory */
    ALLOW_NVIDIA(0x29), /* free */
    ALLOW_NVIDIA(0x2a), /* control */
    ALLOW_NVIDIA(0x2b), /* allocate */
    ALLOW_NVIDIA(0x34), /* duplicate an object */
    ALLOW_NVIDIA(0x35), /* share one */
    ALLOW_NVIDIA(0x41), /* idle channels */
    ALLOW_NVIDIA(0x4a), /* the heap of video memory */
    ALLOW_NVIDIA(0x4e), /* map memory */
    ALLOW_NVIDIA(0x4f), /* unmap it */
    ALLOW_NVIDIA(0x52), /* an event's data */
    ALLOW_NVIDIA(0x54), /* a context for DMA */
    ALLOW_NVIDIA(0x57), /* map memory for DMA */
    ALLOW_NVIDIA(0x58), /* unmap it */
    ALLOW_NVIDIA(0x5e), /* where it is mapped now */
    ALLOW_NVIDIA(200),  /* the cards */
    ALLOW_NVIDIA(201),  /* register a descriptor */
    ALLOW_NVIDIA(206),  /* an event */
    ALLOW_NVIDIA(207),  /* its end */
    ALLOW_NVIDIA(210),  /* the driver's version */
    ALLOW_NVIDIA(212),  /* attach cards to a descriptor */
    ALLOW_NVIDIA(214),  /* the system's parameters */
    ALLOW_NVIDIA(215),  /* NUMA */
    ALLOW_NVIDIA(218),  /* wait for the opening */
    ALLOW_IOCTL_BITS(FILTER_SCENE_GPU, 0xff00, 0x6400),
    ALLOW_IOCTL_BITS(FILTER_ENCODER_GPU, 0xffffff80, 0),
    ALLOW_IOCTL_BITS(FILTER_ENCODER_GPU, 0xffffffff, 0x30000001),
    ALLOW_IOCTL_BITS(FILTER_ENCODER_GPU, 0xffffffff, 0x30000002),

    ALLOW_PRCTL(PR_SET_NAME),
    ALLOW_PRCTL(PR_GET_NAME),
    ALLOW_PRCTL(PR_SET_PDEATHSIG),
    ALLOW_PRCTL(PR_GET_PDEATHSIG),
    ALLOW_PRCTL(PR_GET_DUMPABLE),
    ALLOW_PRCTL(PR_CAPBSET_READ),
    ALLOW_PRCTL(PR_SET_NO_NEW_PRIVS),
    ALLOW_PRCTL(PR_GET_NO_NEW_PRIVS),
    ALLOW_PRCTL(PR_SET_VMA), /* malloc names its mappings */
};

size_t filter_groups(const struct filter_names **ret)
{
    *ret = groups;
    return sizeof groups / sizeof groups[0];
}

size_t filter_rules(const struct filter_rule **ret)
{
    *ret = rules;
    return sizeof rules / sizeof rules[0];
}
