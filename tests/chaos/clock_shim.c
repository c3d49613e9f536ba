/* Preloaded into a redis-server of our own: the wall clock with an offset that
 * is read from a file, so that a test can put the server's clock an hour off
 * while it runs. The file holds one int64 of microseconds and is mapped. With
 * CLOCK_SHIM_BOOT set it is the boot clock, which a worker measures all its own
 * waiting by: so ten minutes can pass for it at once. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *offset_us;
static clockid_t shifted = CLOCK_REALTIME;

__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("CLOCK_SHIM_FILE");
    if (getenv("CLOCK_SHIM_BOOT"))
        shifted = CLOCK_BOOTTIME;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED)
        offset_us = at;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    long rc = syscall(SYS_clock_gettime, id, ret);
    if (rc == 0 && id == shifted && offset_us) {
        int64_t ns = ret->tv_nsec + *offset_us % 1000000 * 1000;
        ret->tv_sec += *offset_us / 1000000 + (ns < 0 ? -1 : ns >= 1000000000);
        ret->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return (int)rc;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
