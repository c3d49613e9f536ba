/* Ownership that the compiler keeps: a variable marked `own_…` releases what
 * it holds when it leaves its scope; steal_…() hands it on instead.
 * (The pattern is bubblewrap's and systemd's.) */
#ifndef MANIMD_OWN_H
#define MANIMD_OWN_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_free_ptr(void *p)
{
    free(*(void **)p);
}
static inline void own_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void own_close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define own_free __attribute__((cleanup(own_free_ptr)))
#define own_fd __attribute__((cleanup(own_close_fd)))
#define own_file __attribute__((cleanup(own_close_file)))

static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
#define steal_ptr(p)                    \
    ({                                  \
        __typeof__(*(p)) taken_ = *(p); \
        *(p) = NULL;                    \
        taken_;                         \
    })

/* Memory that cannot be had aborts the process: a render worker that is out
 * of memory is best restarted, and the lease brings its jobs back. */
void *own_calloc(size_t count, size_t size);
void *own_realloc(void *p, size_t size);
char *own_strdup(const char *s);
char *own_strndup(const char *s, size_t n);
char *own_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
