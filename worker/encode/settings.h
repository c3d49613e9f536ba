/* SPEC.json, read once into a checked struct. It is the keeper's word, so
 * whatever is wrong with it is the host's fault. */
#ifndef MANIMD_ENCODE_SETTINGS_H
#define MANIMD_ENCODE_SETTINGS_H

#include "../manimd.h"
#include "../sandbox/box.h"

struct err;

struct settings {
    int width, height;
    int fps_num, fps_den;
    unsigned outputs; /* set of OUTPUT_BIT */
    bool frame_log;
    uid_t uid; /* 0: keep */
    gid_t gid;
    enum box_level level;
    bool namespaces;
    char *cgroup;         /* its leaf, to be limited and entered; "": none */
    struct limits limits; /* of the encoder; .output_bytes and .frames the job's */
    int threads;          /* of x264, ≥ 1 */
    char *title;          /* "" when there is none */
};
#define own_settings __attribute__((cleanup(settings_done)))

int settings_read(struct settings *s, const char *path, struct err *e);
void settings_done(struct settings *s);
/* Bytes of one RGBA picture. */
size_t settings_frame_bytes(const struct settings *s);

#endif
