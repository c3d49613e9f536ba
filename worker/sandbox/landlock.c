/* Layer: Landlock. Files by path, no TCP (a fetcher connects), no signals or
 * abstract sockets to anybody outside the box.
 *
 * The kernel's interface grew by ABI versions (Documentation/userspace-api/
 * landlock.rst in the kernel's tree); the newest that runs is used, and of it
 * everything that there is to handle. Distributions' headers are older than
 * their users' kernels, so numbers and structures are our own. */
#include "layers.h"

#include "../base/err.h"
#include "../base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define RULESET_VERSION (1u << 0)
#define RULESET_ERRATA (1u << 1)
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define FS_ALL ((1ULL << 17) - 1) /* ABI 9 added connecting to a socket by its path */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define NET_BIND_UDP (1ULL << 2) /* ABI 10 */
#define NET_CONNECT_SEND_UDP (1ULL << 3)
#define NET_TCP (NET_BIND_TCP | NET_CONNECT_TCP)
#define NET_ALL (NET_TCP | NET_BIND_UDP | NET_CONNECT_SEND_UDP)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)
#define SCOPE_ALL (SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL)

/* What a rule on something that is no directory may hold. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t handled_fs;
    uint64_t handled_net; /* ABI 4 */
    uint64_t scoped;      /* ABI 6 */
};

struct path_beneath_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

/* Every right of an ABI; the row of the newest that is not newer than the
 * kernel's holds, with as much of the structure as that kernel knows. (7 added
 * logging and 8 the sealing of all threads: no rights.) */
static const struct abi {
    int abi;
    size_t attr_bytes;
    struct ruleset_attr all;
} abis[] = {
    {1, 8, {(1ULL << 13) - 1, 0, 0}},        {2, 8, {(1ULL << 14) - 1, 0, 0}},
    {3, 8, {(1ULL << 15) - 1, 0, 0}},        {4, 16, {(1ULL << 15) - 1, NET_TCP, 0}},
    {5, 16, {(1ULL << 16) - 1, NET_TCP, 0}}, {6, 24, {(1ULL << 16) - 1, NET_TCP, SCOPE_ALL}},
    {9, 24, {FS_ALL, NET_TCP, SCOPE_ALL}},   {10, 24, {FS_ALL, NET_ALL, SCOPE_ALL}},
};

/* What /proc/self gives a program about itself. Not the whole of it: net/ (also
 * beneath task/) shows the host's connections. */
static const char *const proc_self[] = {"maps", "status", "stat", "statm", "cmdline", "comm", "fd"};

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    if (abi < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    return (int)abi;
}

unsigned landlock_errata(void)
{
    long errata = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_ERRATA);
    return errata < 0 ? 0 : (unsigned)errata;
}

static const struct abi *find_abi(int running)
{
    const struct abi *found = NULL;
    for (size_t i = 0; i < sizeof abis / sizeof abis[0]; i++) {
        if (abis[i].abi <= running)
            found = &abis[i];
    }
    return found;
}

static uint64_t fs_rights(unsigned access)
{
    uint64_t rights = 0;
    if (access & (BOX_READ | BOX_EXEC))
        rights |= FS_READ_FILE | FS_READ_DIR;
    if (access & BOX_EXEC)
        rights |= FS_EXECUTE;
    if (access & BOX_DEVICE)
        rights |= FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV;
    /* No devices, sockets, FIFOs or symbolic links: whoever reads the box's
     * files later shall find files. */
    if (access & BOX_WRITE)
        rights |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE |
                  FS_REMOVE_DIR | FS_REFER;
    return rights;
}

static int add_rights(int ruleset, const struct abi *abi, int fd, uint64_t rights)
{
    struct path_beneath_attr rule = {.allowed = rights & abi->all.handled_fs, .parent_fd = fd};
    if (rule.allowed && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
        return -errno;
    return 0;
}

static int add_rule(int ruleset, const struct abi *abi, int fd, unsigned access)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    uint64_t rights = fs_rights(access);
    return add_rights(ruleset, abi, fd, S_ISDIR(st.st_mode) ? rights : rights & FS_OF_FILES);
}

/* CUDA names the threads that it starts, by task/TID/comm, and does not come up
 * (cuInit: 304) when it cannot. So of its own threads it may write what the kernel
 * lets it, and read nothing. */
static int add_own_threads(int ruleset, const struct abi *abi, int self_fd)
{
    own_fd int fd = openat(self_fd, "task", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? 0 : add_rights(ruleset, abi, fd, FS_WRITE_FILE | FS_TRUNCATE);
}

static int add_plan(int ruleset, const struct abi *abi, const struct box_plan *p)
{
    int rc = 0;
    for (int i = 0; i < p->paths && rc == 0; i++)
        rc = add_rule(ruleset, abi, p->path_fds[i], p->path_access[i]);
    if (rc == 0 && p->dir_fd >= 0)
        rc = add_rule(ruleset, abi, p->dir_fd, BOX_READ | BOX_WRITE);
    return rc;
}

/* Needs the final pid; a forked child's own /proc/self is not reachable, which
 * nothing that we run has missed. */
static int add_proc_self(int ruleset, const struct abi *abi, enum box_profile profile)
{
    own_fd int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (self < 0)
        return 0; /* no /proc: nothing to allow */
    int rc = 0;
    for (size_t i = 0; i < sizeof proc_self / sizeof proc_self[0] && rc == 0; i++) {
        own_fd int fd = openat(self, proc_self[i], O_PATH | O_CLOEXEC);
        if (fd >= 0)
            rc = add_rule(ruleset, abi, fd, BOX_READ);
    }
    if (rc == 0 && profile == BOX_ENCODER_GPU)
        rc = add_own_threads(ruleset, abi, self);
    return rc;
}

/* No erratum needs an older ABI here, as other users of Landlock have it; doctor
 * shows which are mended. 1 (TCP rules met other sockets) and 2 (no signals
 * between threads that were sealed one by one) refused too much, and meet neither
 * a box without sockets nor one sealed while it has one thread. 3 (rights gained
 * by a directory that was moved out of a bind mount) needs somebody who may move
 * directories on both sides of it, which no box may. */
int landlock_enter(const struct box_plan *p, int running, struct err *e)
{
    const struct abi *abi = find_abi(running);
    if (!abi)
        return err_errno(e, running < 0 ? running : -EOPNOTSUPP, FAULT_HOST, "use Landlock");
    /* Without a uid of its own nothing else keeps its signals inside. */
    if (p->uid == 0 && abi->abi < 6)
        return err_set(e, -EOPNOTSUPP, FAULT_HOST,
                       "use Landlock: ABI %d cannot scope signals, which level basic needs",
                       running);
    struct ruleset_attr attr = abi->all;
    if (p->profile == BOX_FETCH) /* where to is the guard's to say */
        attr.handled_net &= ~(NET_CONNECT_TCP | NET_BIND_UDP | NET_CONNECT_SEND_UDP);
    own_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, abi->attr_bytes, 0);
    if (ruleset < 0)
        return err_errno(e, -errno, FAULT_HOST, "create a Landlock ruleset");
    int rc = add_plan(ruleset, abi, p);
    if (rc == 0)
        rc = add_proc_self(ruleset, abi, p->profile);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "add a Landlock rule");
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_errno(e, -errno, FAULT_HOST, "enter Landlock");
    return 0;
}

int layer_landlock(const struct box_plan *p, struct err *e)
{
    return landlock_enter(p, landlock_abi(), e);
}
