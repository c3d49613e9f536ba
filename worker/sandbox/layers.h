/* The layers of the seal, one function each; seal.c calls them in the order of
 * sandbox.md §5, probe.c tries them one at a time. Private to the room.
 *
 * Each acts on the calling process, returns 0 when its layer holds, and a
 * negative errno with a sentence otherwise. */
#ifndef MANIMD_BOX_LAYERS_H
#define MANIMD_BOX_LAYERS_H

#include "box.h"

#include <stdbool.h>

struct err;

/* Of either scene profile: it may fork, so it has a PID namespace and a cgroup. */
static inline bool plan_is_scene(const struct box_plan *p)
{
    return p->profile == BOX_SCENE || p->profile == BOX_SCENE_GPU;
}

/* cgroup.c: nothing when the plan has none. */
int layer_cgroup(const struct box_plan *p, struct err *e);

/* namespaces.c: nothing when the plan has none. */
int layer_namespaces(const struct box_plan *p, struct err *e);

/* descriptors.c */
int layer_descriptors(const struct box_plan *p, struct err *e);
/* After Landlock has used them: the plan's paths and directory. */
int layer_descriptors_rest(const struct box_plan *p, struct err *e);

/* rlimits.c */
int layer_rlimits(const struct box_plan *p, struct err *e);

/* ids.c */
int layer_capabilities(const struct box_plan *p, struct err *e);
int layer_uid(const struct box_plan *p, struct err *e);
int layer_no_new_privs(const struct box_plan *p, struct err *e);

/* landlock.c */
int layer_landlock(const struct box_plan *p, struct err *e);
/* The same by an ABI that may be older than the kernel's. */
int landlock_enter(const struct box_plan *p, int running, struct err *e);
/* 0 when the kernel has none, a negative errno when it is refused. */
int landlock_abi(void);
/* The errata that this kernel has mended, a bit each (bit 0: erratum 1). */
unsigned landlock_errata(void);

/* seccomp.c, with tripwire.c */
int tripwires_send(int listener, int why, struct err *e);
int layer_seccomp(const struct box_plan *p, struct err *e);

#endif
