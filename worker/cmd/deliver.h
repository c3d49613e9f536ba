/* Bringing what a local render made to where the user wants it: whole files
 * only, by rename; what was there before stays until then. */
#ifndef MANIMD_DELIVER_H
#define MANIMD_DELIVER_H

struct err;

/* Can `out` be written? Only its directory is looked at; NULL is fine. */
int deliver_check(const char *out, struct err *e);
/* Where an output goes: `out`, or SCENE.EXT here; the scene is the one named,
 * else the only one in the file, else the file's own name. The caller frees. */
char *deliver_name(const char *out, const char *file, const char *scene, const char *name);
int deliver_file(const char *from, const char *to, struct err *e);
/* DIR/out/frames.log of an attempt, which another uid wrote. */
int deliver_frame_log(const char *dir, const char *to, struct err *e);

#endif
