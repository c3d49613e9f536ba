/* Layers: capabilities, uid, no_new_privs: what the kernel thinks we are.
 *
 * The order is fixed by what each step needs: the bounding set and securebits
 * need CAP_SETPCAP, the uid CAP_SETUID; the uid change clears the rest and the
 * parent-death signal, which seal.c sets again. */
#include "layers.h"

#include "../base/err.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64

/* Where CAP_SETPCAP is missing there is nothing to take from the bounding set
 * that no_new_privs would not keep out of reach anyway. */
static int drop_bounding_set(struct err *e)
{
    for (unsigned long cap = 0; cap < CAPABILITIES_MAX; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* past the last that this kernel knows */
            return 0;
        if (errno == EPERM)
            return 0;
        return err_errno(e, -errno, FAULT_HOST, "drop capability %lu", cap);
    }
    return 0;
}

/* Being root gives nothing, ever again; the bits that stay off are locked off.
 * NO_SETUID_FIXUP must be off: it is what empties our sets on setresuid(). */
static int lock_securebits(struct err *e)
{
    unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                         SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                         SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 && errno != EPERM)
        return err_errno(e, -errno, FAULT_HOST, "lock securebits");
    return 0;
}

static int set_ids(const struct box_plan *p, struct err *e)
{
    gid_t gid = p->gid ? p->gid : (gid_t)p->uid;
    if (setgroups(0, NULL) < 0)
        return err_errno(e, -errno, FAULT_HOST, "drop groups");
    if (setresgid(gid, gid, gid) < 0)
        return err_errno(e, -errno, FAULT_HOST, "become gid %u", (unsigned)gid);
    if (setresuid(p->uid, p->uid, p->uid) < 0)
        return err_errno(e, -errno, FAULT_HOST, "become uid %u", (unsigned)p->uid);
    if (setuid(0) == 0 || setgid(0) == 0)
        return err_set(e, -EPERM, FAULT_HOST, "become uid %u: root could be taken back",
                       (unsigned)p->uid);
    return 0;
}

static int empty_capabilities(struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &head, sets) < 0)
        return err_errno(e, -errno, FAULT_HOST, "drop capabilities");
    if (syscall(SYS_capget, &head, sets) < 0)
        return err_errno(e, -errno, FAULT_HOST, "read capabilities");
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        if (sets[i].effective | sets[i].permitted | sets[i].inheritable)
            return err_set(e, -EPERM, FAULT_HOST, "drop capabilities: some are left");
    }
    return 0;
}

int layer_uid(const struct box_plan *p, struct err *e)
{
    int rc = drop_bounding_set(e);
    if (rc == 0)
        rc = lock_securebits(e);
    if (rc == 0 && p->uid)
        rc = set_ids(p, e);
    return rc;
}

int layer_capabilities(const struct box_plan *p, struct err *e)
{
    (void)p;
    return empty_capabilities(e);
}

int layer_no_new_privs(const struct box_plan *p, struct err *e)
{
    (void)p;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(e, -errno, FAULT_HOST, "set no_new_privs");
    return 0;
}
