/* Writes box_filters.h, which seccomp.c includes: see compile.h. */
#include "../../base/err.h"
#include "../compile.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const profiles[] = {
    [BOX_SCENE] = "BOX_SCENE",
    [BOX_ENCODER] = "BOX_ENCODER",
    [BOX_FETCH] = "BOX_FETCH",
    [BOX_SCENE_GPU] = "BOX_SCENE_GPU",
    [BOX_ENCODER_GPU] = "BOX_ENCODER_GPU",
};
enum { PROFILES = sizeof profiles / sizeof profiles[0] };

static int write_program(int profile, int shared_uid)
{
    struct err e = ERR_INIT;
    struct compiled c;
    if (filter_compile((enum box_profile)profile, shared_uid, &c, &e) < 0) {
        fprintf(stderr, "filters: %s: %s\n", profiles[profile], e.text);
        return -1;
    }
    printf("static const uint64_t box_filter_%d_%d[] = {\n", profile, shared_uid);
    for (unsigned i = 0; i < c.length; i++)
        printf("%#" PRIx64 ",%s", c.program[i], i % 6 == 5 ? "\n" : " ");
    printf("};\n");
    return 0;
}

int main(void)
{
    printf("/* Made by worker/sandbox/filters/main.c: by profile, and whether the uid is shared. "
           "*/\n");
    for (int i = 0; i < 2 * PROFILES; i++)
        if (write_program(i / 2, i % 2) < 0)
            return 1;
    printf("#define FILTER(p) {p, sizeof p / sizeof p[0]}\n"
           "static const struct box_filter box_filters[][2] = {\n");
    for (int i = 0; i < PROFILES; i++)
        printf("[%s] = {FILTER(box_filter_%d_0), FILTER(box_filter_%d_1)},\n", profiles[i], i, i);
    printf("};\n");
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
