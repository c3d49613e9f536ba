/* The pool of warm interpreters: one that serves and a spare, so that a hostile
 * crash does not cost the next job an import. A zygote is replaced after so
 * many jobs and after every abnormal end; one that was replaced lives on until
 * the scenes it forked have ended. */
#ifndef MANIMD_ZYGOTES_H
#define MANIMD_ZYGOTES_H

#include <stdbool.h>
#include <sys/types.h>

struct loop;
struct render_spec;
struct zygotes;

/* `jobs_each` 0: no pool, every job starts cold. `spec` must outlive it. */
struct zygotes *zygotes_new(struct loop *loop, const struct render_spec *spec, int jobs_each);
/* Ends them; those that do not go by themselves are killed. Returns NULL. */
void *zygotes_free(struct zygotes *pool);
/* A job socket, which is the caller's to close; -1: none is ready. */
int zygotes_lend(struct zygotes *pool);
/* A scene ended abnormally: whoever forked it is not used again. */
void zygotes_spoiled(struct zygotes *pool);
bool zygotes_is_child(const struct zygotes *pool, pid_t pid);

#endif
