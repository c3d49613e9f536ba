/* The tables of system calls that seccomp.c compiles. Private to the room. */
#ifndef MANIMD_BOX_FILTER_H
#define MANIMD_BOX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For whom a row is; a plan is exactly one of these. Files of others are safe
 * from a box by its own uid, at level basic only by what is refused here. */
enum {
    FILTER_SCENE_CPU_OWN_UID = 1,
    FILTER_SCENE_CPU_SHARED_UID = 2,
    FILTER_ENCODER_CPU_OWN_UID = 4,
    FILTER_ENCODER_CPU_SHARED_UID = 8,
    FILTER_FETCH_OWN_UID = 16,
    FILTER_FETCH_SHARED_UID = 32,
    FILTER_SCENE_GPU_OWN_UID = 64,
    FILTER_SCENE_GPU_SHARED_UID = 128,
    FILTER_ENCODER_GPU_OWN_UID = 256,
    FILTER_ENCODER_GPU_SHARED_UID = 512,
    FILTER_SCENE_OWN_UID = FILTER_SCENE_CPU_OWN_UID | FILTER_SCENE_GPU_OWN_UID,
    FILTER_SCENE_SHARED_UID = FILTER_SCENE_CPU_SHARED_UID | FILTER_SCENE_GPU_SHARED_UID,
    FILTER_SCENE_GPU = FILTER_SCENE_GPU_OWN_UID | FILTER_SCENE_GPU_SHARED_UID,
    FILTER_ENCODER_GPU = FILTER_ENCODER_GPU_OWN_UID | FILTER_ENCODER_GPU_SHARED_UID,
    FILTER_GPU = FILTER_SCENE_GPU | FILTER_ENCODER_GPU,
    FILTER_SCENE = FILTER_SCENE_OWN_UID | FILTER_SCENE_SHARED_UID,
    FILTER_ENCODER =
        FILTER_ENCODER_CPU_OWN_UID | FILTER_ENCODER_CPU_SHARED_UID | FILTER_ENCODER_GPU,
    FILTER_FETCH = FILTER_FETCH_OWN_UID | FILTER_FETCH_SHARED_UID,
    FILTER_ALL = FILTER_SCENE | FILTER_ENCODER | FILTER_FETCH,
};

/* As libseccomp's enum scmp_compare. */
enum filter_op { FILTER_EQ = 4, FILTER_GT = 6, FILTER_MASKED = 7 };

struct filter_argument {
    bool used;
    unsigned index;
    enum filter_op op;
    uint64_t a, b; /* MASKED: (argument & a) == b */
};

/* Beside an errno: a tripwire, whose refusals are counted (tripwire.c). Until the
 * seal knows whether anybody listens it is compiled as an action of its own,
 * which as it stands would refuse, too (ENOSYS). */
#define FILTER_TRIPS 0x8000
#define FILTER_TRIPS_ACTION 0x7ff00000U /* SECCOMP_RET_TRACE */

/* Names with one action, whatever their arguments. */
struct filter_names {
    unsigned kinds;
    int refuse;               /* errno, with FILTER_TRIPS or not; 0: allowed */
    const char *const *names; /* ends with NULL */
};

/* One name with one condition. */
struct filter_rule {
    const char *name;
    unsigned kinds;
    int refuse;
    struct filter_argument argument;
};

size_t filter_groups(const struct filter_names **ret);
size_t filter_rules(const struct filter_rule **ret);

#endif
