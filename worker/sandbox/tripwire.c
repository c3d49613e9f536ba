/* Tripwires: forbidden system calls that are not only refused but told of.
 *
 * seccomp(2) can hand such a call to a listener (SECCOMP_RET_USER_NOTIF), whose
 * answer is what the call returns; ours is always the refusal. The process that
 * seals itself gets the listener's descriptor at the very moment in which it may
 * no more do anything about it, but for one sendmsg() to BOX_TRIPWIRE_FD, which
 * filter.c leaves open: the descriptor goes to the keeper by that.
 *
 * Nothing that a box has in its memory is read to answer, and no call is ever
 * let through: only the number of the call matters. (Documentation/userspace-api/
 * seccomp_filter.rst, "Userspace Notification".) */
#include "box.h"

#include "../base/err.h"
#include "../base/own.h"
#include "filter.h"
#include "layers.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWERS_AT_ONCE 64
#define NOTIFICATION_BYTES 512 /* a newer kernel's may be larger than the header's */

int tripwires_send(int listener, int why, struct err *e)
{
    char text[64];
    int n = snprintf(text, sizeof text, "{\"tripwires\":\"%s\"}",
                     listener >= 0 ? "active" : strerrorname_np(-why));
    struct iovec iov = {.iov_base = text, .iov_len = (size_t)n};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof listener)];
    } control = {.space = {0}};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (listener >= 0) {
        m.msg_control = control.space;
        m.msg_controllen = sizeof control.space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof listener);
        memcpy(CMSG_DATA(c), &listener, sizeof listener);
    }
    int rc = sendmsg(BOX_TRIPWIRE_FD, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
    close(BOX_TRIPWIRE_FD);
    if (listener >= 0)
        close(listener);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "hand over the tripwires") : 0;
}

struct tripwire {
    const char *name;
    int refuse;
};

/* The i-th of the filter's rows that trip; a name may have several. */
static bool find(int i, struct tripwire *ret)
{
    const struct filter_names *groups;
    const struct filter_rule *rules;
    size_t count = filter_groups(&groups);
    for (size_t g = 0; g < count; g++)
        for (const char *const *name = groups[g].names; (groups[g].refuse & FILTER_TRIPS) && *name;
             name++)
            if (i-- == 0) {
                *ret = (struct tripwire){*name, groups[g].refuse & ~FILTER_TRIPS};
                return true;
            }
    count = filter_rules(&rules);
    for (size_t r = 0; r < count; r++)
        if ((rules[r].refuse & FILTER_TRIPS) && i-- == 0) {
            *ret = (struct tripwire){rules[r].name, rules[r].refuse & ~FILTER_TRIPS};
            return true;
        }
    return false;
}

const char *box_tripwire_name(int i)
{
    struct tripwire t;
    return i < BOX_TRIPWIRES_MAX && find(i, &t) ? t.name : NULL;
}

/* The first row of that call: rows of one name refuse alike. */
static int row_of(int number, int *ret_refuse)
{
    struct tripwire t;
    own_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    for (int i = 0; name && i < BOX_TRIPWIRES_MAX && find(i, &t); i++)
        if (strcmp(t.name, name) == 0) {
            *ret_refuse = t.refuse;
            return i;
        }
    *ret_refuse = EPERM;
    return -1;
}

/* 0, or a negative errno: -ENOENT when who called is dead already. */
static int answer_one(struct box_trips *t)
{
    union {
        struct seccomp_notif said;
        char room[NOTIFICATION_BYTES];
    } in = {.room = {0}};
    union {
        struct seccomp_notif_resp answer;
        char room[NOTIFICATION_BYTES];
    } out = {.room = {0}};
    if (ioctl(t->fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0)
        return -errno;
    int refuse, row = row_of(in.said.data.nr, &refuse);
    out.answer.id = in.said.id;
    out.answer.error = -refuse;
    t->total++;
    if (row >= 0)
        t->counts[row]++;
    return ioctl(t->fd, SECCOMP_IOCTL_NOTIF_SEND, &out) < 0 ? -errno : 0;
}

void box_trips_answer(struct box_trips *t)
{
    for (int i = 0; i < ANSWERS_AT_ONCE && t->fd >= 0; i++) {
        struct pollfd waiting = {.fd = t->fd, .events = POLLIN};
        if (poll(&waiting, 1, 0) != 1)
            return;
        if (!(waiting.revents & POLLIN)) { /* nobody is left who could */
            close(steal_fd(&t->fd));
            return;
        }
        int rc = answer_one(t);
        if (rc < 0 && rc != -ENOENT && rc != -EINTR) {
            close(steal_fd(&t->fd)); /* they fail by themselves then */
            return;
        }
    }
}
