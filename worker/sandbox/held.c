#include "held.h"

#include "../base/clock.h"
#include "../base/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GONE " (deleted)"
#define PIPE "pipe:["
#define MEMFD "/memfd:"

/* Prices in kernel memory, rounded up; tests/bench/box_memory.py shows that no
 * kind gets past its limit by them (a mapping really takes about half): a mapping
 * with its share of the tree that it is in; an open file with its inode; a pipe
 * with as much in it as it takes unless told otherwise (65536; to be told so
 * stops at 64 MiB a user, /proc/sys/fs/pipe-user-pages-soft). */
#define MAPPING_BYTES 288
#define DESCRIPTOR_BYTES 1024
#define PIPE_BYTES (64 * 1024)

/* Four million mappings take seconds to read. Whoever asks waits for us, and
 * what was read by then is enough to know the whole of it by. */
#define ENOUGH_MS 250

/* Inodes that were counted, hashed: forks hold the same ones. */
struct seen {
    uint64_t *inodes; /* 0: free */
    size_t count, capacity;
};

static uint64_t *place(const struct seen *s, uint64_t inode)
{
    size_t at = (size_t)(inode * 0x9e3779b97f4a7c15u >> 20) & (s->capacity - 1);
    while (s->inodes[at] && s->inodes[at] != inode)
        at = (at + 1) & (s->capacity - 1);
    return &s->inodes[at];
}

static void grow(struct seen *s)
{
    struct seen more = {.capacity = s->capacity ? s->capacity * 2 : 256, .count = s->count};
    more.inodes = own_calloc(more.capacity, sizeof more.inodes[0]);
    for (size_t i = 0; i < s->capacity; i++) {
        if (s->inodes[i])
            *place(&more, s->inodes[i]) = s->inodes[i];
    }
    free(s->inodes);
    *s = more;
}

static bool see(struct seen *s, uint64_t inode)
{
    if (2 * s->count >= s->capacity)
        grow(s);
    uint64_t *at = place(s, inode);
    if (*at == inode)
        return false;
    *at = inode;
    s->count++;
    return true;
}

/* The helper's work: what is asked, and the sums so far. */
struct look {
    const struct held_question *q;
    struct seen files, pipes, memfds;
    int64_t disk, kernel;
};

int held_ask(struct held_question *q, const struct sweep *sweep, int dir_fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
    ssize_t n = readlink(link, q->prefix, sizeof q->prefix - 1);
    if (n < 0)
        return -errno;
    q->prefix[n] = '\0';
    q->sweep = sweep;
    return 0;
}

/* Anywhere in it: of a box in a mount namespace that a worker in a chroot made,
 * the name begins at the host's root. */
static bool is_gone(const struct held_question *q, const char *path)
{
    size_t length = strlen(path), mark = sizeof GONE - 1;
    return length > mark && strcmp(path + length - mark, GONE) == 0 && strstr(path, q->prefix);
}

/* What of a memfd is mapped and resident is counted twice: it errs against the
 * box, which confirms by PSS what it cannot explain (watch.c). */
static void see_memfd(struct look *l, uint64_t inode, int64_t bytes)
{
    if (inode != l->q->shared_inode && see(&l->memfds, inode))
        l->kernel += bytes;
}

static bool is_memfd(const char *path)
{
    return strncmp(path, MEMFD, strlen(MEMFD)) == 0;
}

static void see_descriptor(struct look *l, int dir_fd, const char *name)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t n = readlinkat(dir_fd, name, target, sizeof target - 1);
    if (n <= 0)
        return;
    target[n] = '\0';
    l->kernel += DESCRIPTOR_BYTES;
    if (strncmp(target, PIPE, strlen(PIPE)) == 0) {
        if (see(&l->pipes, strtoull(target + strlen(PIPE), NULL, 10)))
            l->kernel += PIPE_BYTES;
    } else if (is_memfd(target) && fstatat(dir_fd, name, &st, 0) == 0) {
        see_memfd(l, st.st_ino, st.st_blocks * 512);
    } else if (is_gone(l->q, target) && fstatat(dir_fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
               see(&l->files, st.st_ino)) {
        l->disk += st.st_blocks * 512;
    }
}

static void in_descriptors(struct look *l, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (const struct dirent *d; dir && (d = readdir(dir));)
        see_descriptor(l, dirfd(dir), d->d_name);
    if (dir)
        closedir(dir);
}

/* A file that only a mapping holds cannot be asked for its size; what is mapped
 * of it stands for it. */
static void in_mappings(struct look *l, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    own_file FILE *maps = fopen(path, "re");
    own_free char *line = NULL;
    size_t size = 0;
    for (ssize_t n; maps && (n = getline(&line, &size, maps)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        unsigned long long low, high, inode;
        int name_at = 0;
        l->kernel += MAPPING_BYTES;
        if (!strstr(line, GONE) ||
            sscanf(line, "%llx-%llx %*s %*s %*s %llu %n", &low, &high, &inode, &name_at) != 3 ||
            name_at == 0)
            continue;
        if (is_memfd(line + name_at))
            see_memfd(l, inode, (int64_t)(high - low));
        else if (is_gone(l->q, line + name_at) && see(&l->files, inode))
            l->disk += (int64_t)(high - low);
    }
}

void held_measure(const void *question, int64_t ret[HELPER_ANSWERS])
{
    struct look l = {.q = question};
    const struct sweep *s = l.q->sweep;
    for (int i = 0; i < s->count; i++)
        in_descriptors(&l, s->all[i].pid);
    int64_t until_ms = clock_now_ms() + ENOUGH_MS;
    int64_t descriptors = l.kernel;
    int looked = 0;
    while (looked < s->count && clock_now_ms() < until_ms)
        in_mappings(&l, s->all[looked++].pid);
    if (looked)
        l.kernel = descriptors + (l.kernel - descriptors) * s->count / looked;
    free(l.files.inodes);
    free(l.pipes.inodes);
    free(l.memfds.inodes);
    ret[HELD_DISK] = l.disk;
    ret[HELD_KERNEL] = l.kernel;
}
