/* See compile.h. */
#include "compile.h"

#include "../base/err.h"
#include "../base/own.h"
#include "filter.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name that this library or architecture does not know is left out: the
 * default refuses it. */
static int add(scmp_filter_ctx ctx, uint32_t action, const char *name,
               const struct filter_argument *arg)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number < 0)
        return 0;
    if (!arg)
        return seccomp_rule_add_array(ctx, action, number, 0, NULL);
    const struct scmp_arg_cmp compare = {
        .arg = arg->index, .op = (enum scmp_compare)arg->op, .datum_a = arg->a, .datum_b = arg->b};
    return seccomp_rule_add_array(ctx, action, number, 1, &compare);
}

static uint32_t action_of(int refuse)
{
    if (!refuse)
        return SCMP_ACT_ALLOW;
    uint32_t number = (uint32_t)refuse & ~(uint32_t)FILTER_TRIPS;
    return refuse & FILTER_TRIPS ? SCMP_ACT_TRACE(number) : SCMP_ACT_ERRNO(number);
}

static int add_rules(scmp_filter_ctx ctx, unsigned kind, struct err *e)
{
    const struct filter_rule *rules;
    size_t count = filter_rules(&rules);
    for (size_t i = 0; i < count; i++) {
        const struct filter_rule *r = &rules[i];
        if (!(r->kinds & kind))
            continue;
        uint32_t action = action_of(r->refuse);
        int rc = add(ctx, action, r->name, r->argument.used ? &r->argument : NULL);
        if (rc < 0)
            return err_errno(e, rc, FAULT_HOST, "seccomp rule for %s", r->name);
    }
    return 0;
}

static int add_names(scmp_filter_ctx ctx, unsigned kind, struct err *e)
{
    const struct filter_names *groups;
    size_t count = filter_groups(&groups);
    for (size_t i = 0; i < count; i++) {
        if (!(groups[i].kinds & kind))
            continue;
        uint32_t action = action_of(groups[i].refuse);
        for (const char *const *name = groups[i].names; *name; name++) {
            int rc = add(ctx, action, *name, NULL);
            if (rc < 0)
                return err_errno(e, rc, FAULT_HOST, "seccomp rule for %s", *name);
        }
    }
    return 0;
}

/* libseccomp writes a program only to a file. */
static int export_program(scmp_filter_ctx ctx, struct compiled *ret, struct err *e)
{
    own_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "compile the seccomp filter");
    ssize_t bytes = pread(fd, ret->program, sizeof ret->program, 0);
    struct stat st;
    if (bytes <= 0 || fstat(fd, &st) < 0 || st.st_size != bytes)
        return err_set(e, -E2BIG, FAULT_HOST, "compile the seccomp filter: it is too long");
    ret->length = (unsigned)((size_t)bytes / sizeof ret->program[0]);
    return 0;
}

static unsigned kind_of(enum box_profile profile, bool shared_uid)
{
    static const unsigned kinds[][2] = {
        [BOX_SCENE] = {FILTER_SCENE_CPU_OWN_UID, FILTER_SCENE_CPU_SHARED_UID},
        [BOX_ENCODER] = {FILTER_ENCODER_CPU_OWN_UID, FILTER_ENCODER_CPU_SHARED_UID},
        [BOX_FETCH] = {FILTER_FETCH_OWN_UID, FILTER_FETCH_SHARED_UID},
        [BOX_SCENE_GPU] = {FILTER_SCENE_GPU_OWN_UID, FILTER_SCENE_GPU_SHARED_UID},
        [BOX_ENCODER_GPU] = {FILTER_ENCODER_GPU_OWN_UID, FILTER_ENCODER_GPU_SHARED_UID},
    };
    return kinds[profile][shared_uid];
}

static int set(scmp_filter_ctx ctx, enum scmp_filter_attr attribute, uint32_t value, struct err *e)
{
    int rc = seccomp_attr_set(ctx, attribute, value);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "set up the seccomp filter") : 0;
}

int filter_compile(enum box_profile profile, bool shared_uid, struct compiled *ret, struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!ctx)
        return err_set(e, -ENOMEM, FAULT_HOST, "compile the seccomp filter");
    unsigned kind = kind_of(profile, shared_uid);
    int rc = set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS, e);
    if (rc == 0)
        rc = add_names(ctx, kind, e);
    if (rc == 0)
        rc = add_rules(ctx, kind, e);
    /* A tree instead of a list: tens of compares less on every call. */
    if (rc == 0)
        rc = set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2, e);
    if (rc == 0)
        rc = export_program(ctx, ret, e);
    seccomp_release(ctx);
    return rc;
}
