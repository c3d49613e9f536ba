#include "held.h"

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

/* Inodes that were counted: forks hold the same ones. */
struct seen {
    uint64_t *inodes;
    size_t count, capacity;
};

static bool see(struct seen *s, uint64_t inode)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->inodes[i] == inode)
            return false;
    }
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 64;
        s->inodes = own_realloc(s->inodes, s->capacity * sizeof s->inodes[0]);
    }
    s->inodes[s->count++] = inode;
    return true;
}

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

static bool is_gone(const struct held_question *q, const char *path)
{
    size_t length = strlen(path), mark = sizeof GONE - 1;
    return length > mark && strcmp(path + length - mark, GONE) == 0 &&
           strncmp(path, q->prefix, strlen(q->prefix)) == 0;
}

static int64_t in_descriptors(const struct held_question *q, pid_t pid, struct seen *seen)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    int64_t bytes = 0;
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        struct stat st;
        ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (is_gone(q, target) && fstatat(dirfd(dir), d->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode) && see(seen, st.st_ino))
            bytes += st.st_blocks * 512;
    }
    if (dir)
        closedir(dir);
    return bytes;
}

/* A file that only a mapping holds cannot be asked for its size; what is mapped
 * of it stands for it. */
static int64_t in_mappings(const struct held_question *q, pid_t pid, struct seen *seen)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    own_file FILE *maps = fopen(path, "re");
    own_free char *line = NULL;
    size_t size = 0;
    int64_t bytes = 0;
    for (ssize_t n; maps && (n = getline(&line, &size, maps)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        unsigned long long low, high, inode;
        int name_at = 0;
        if (sscanf(line, "%llx-%llx %*s %*s %*s %llu %n", &low, &high, &inode, &name_at) == 3 &&
            name_at > 0 && is_gone(q, line + name_at) && see(seen, inode))
            bytes += (int64_t)(high - low);
    }
    return bytes;
}

int64_t held_measure(const void *question)
{
    const struct held_question *q = question;
    struct seen seen = {0};
    int64_t bytes = 0;
    for (int i = 0; i < q->sweep->count; i++)
        bytes += in_descriptors(q, q->sweep->all[i].pid, &seen);
    for (int i = 0; i < q->sweep->count; i++)
        bytes += in_mappings(q, q->sweep->all[i].pid, &seen);
    free(seen.inodes);
    return bytes;
}
