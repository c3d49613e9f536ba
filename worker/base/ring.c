/* The ring. Both sides keep their own count privately and only publish it;
 * what the other side publishes is loaded once, checked, and then used.
 *
 *      tail                    head
 *   ─────┬───────────────────────┬──────────    counts, never wrapping
 *        │ record │ record │ PAD │              offset = count % data_bytes
 *   ─────┴───────────────────────┴──────────
 *
 * Waking: who publishes a count then writes its eventfd; who waits empties
 * the eventfd before it looks at the count, so no wake-up is lost. */
#include "ring.h"

#include "err.h"
#include "file.h"
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RING_MAGIC 0x31474e4952494e4dull /* "MNIRING1" */
#define HEADER_BYTES 4096
#define ALIGN 64
#define DATA_BYTES_MIN (8ull << 20)
#define DATA_BYTES_MAX (256ull << 20)
#define PICTURE_SIDE_MAX 16384
#define CHANNELS_MAX 8
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; glibc 2.36 does not name it */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

struct ring_header { /* the first page */
    uint64_t magic, data_bytes;
    _Alignas(ALIGN) uint64_t head; /* on cache lines of their own: each is */
    _Alignas(ALIGN) uint64_t tail; /* written by one side, read by the other */
    _Alignas(ALIGN) uint64_t closed;
};
_Static_assert(offsetof(struct ring_header, head) == 64 &&
                   offsetof(struct ring_header, tail) == 128 &&
                   offsetof(struct ring_header, closed) == 192,
               "ring.h says so");

struct ring_map {
    struct ring_header *header;
    unsigned char *data;
    uint64_t data_bytes;
    struct ring_fds fds;
};

struct ring_writer {
    struct ring_map map;
    uint64_t head;
};

struct ring_reader {
    struct ring_map map;
    uint64_t tail;
    uint64_t seen_head;    /* the newest that was found good */
    uint64_t record_bytes; /* with its header; 0 while there is no record */
    uint64_t payload_bytes;
};

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void signal_fd(int fd)
{
    const uint64_t one = 1;
    /* EAGAIN: the counter is full, so the other side is awake anyway. */
    (void)!write(fd, &one, sizeof(one));
}

static void drain_fd(int fd)
{
    uint64_t count;
    (void)!read(fd, &count, sizeof(count)); /* EAGAIN: there was nothing */
}

static int make_memory(void)
{
    int fd = memfd_create("manimd-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* an older kernel */
        fd = memfd_create("manimd-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

static int fill_memory(int fd, uint64_t data_bytes)
{
    struct ring_header header = {.magic = RING_MAGIC, .data_bytes = data_bytes};
    if (ftruncate(fd, (off_t)(HEADER_BYTES + data_bytes)) < 0)
        return -errno;
    if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header))
        return -EIO;
    return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int ring_create(size_t frame_bytes, struct ring_fds *ret, struct err *e)
{
    if (frame_bytes > DATA_BYTES_MAX - ALIGN)
        return err_set(e, -EMSGSIZE, FAULT_JOB, "a frame of %zu bytes is too large", frame_bytes);
    uint64_t data_bytes = 4 * (aligned(frame_bytes) + ALIGN);
    data_bytes = (data_bytes + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
    data_bytes = data_bytes < DATA_BYTES_MIN ? DATA_BYTES_MIN : data_bytes;
    data_bytes = data_bytes > DATA_BYTES_MAX ? DATA_BYTES_MAX : data_bytes;

    own_fd int memory = make_memory();
    own_fd int data_ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    own_fd int space_free = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (memory < 0)
        return err_errno(e, memory, FAULT_HOST, "create the ring's memory");
    if (data_ready < 0 || space_free < 0)
        return err_errno(e, -errno, FAULT_HOST, "create the ring's eventfds");
    int rc = fill_memory(memory, data_bytes);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "set up a ring of %llu bytes",
                         (unsigned long long)data_bytes);
    *ret = (struct ring_fds){steal_fd(&memory), steal_fd(&data_ready), steal_fd(&space_free)};
    return 0;
}

int ring_close(const struct ring_fds *fds, struct err *e)
{
    const uint64_t yes = 1;
    ssize_t n = pwrite(fds->memory, &yes, sizeof(yes), offsetof(struct ring_header, closed));
    if (n != sizeof(yes))
        return err_errno(e, n < 0 ? -errno : -EIO, FAULT_HOST, "close the ring");
    /* The flag is the open file's, so the writer could clear it; with the counter
     * filled to the brim the write would then never come back. */
    int rc = fd_set_nonblock(fds->data_ready, 1);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "close the ring");
    signal_fd(fds->data_ready);
    return 0;
}

static void unmap(struct ring_map *map)
{
    if (map->header)
        munmap(map->header, HEADER_BYTES);
    if (map->data)
        munmap(map->data, map->data_bytes);
}

/* The size comes from the sealed descriptor; what the page says of it must
 * agree, but is not what we go by. */
static int check_memory(int fd, uint64_t *ret_data_bytes, struct err *e)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS)
        return err_set(e, -EPROTO, FAULT_HOST, "the ring's memory is not sealed");
    if (fstat(fd, &st) < 0)
        return err_errno(e, -errno, FAULT_HOST, "stat the ring");
    uint64_t data_bytes = (uint64_t)st.st_size - HEADER_BYTES;
    if (data_bytes < DATA_BYTES_MIN || data_bytes > DATA_BYTES_MAX || data_bytes % ALIGN)
        return err_set(e, -EPROTO, FAULT_HOST, "a ring of %lld bytes is none of ours",
                       (long long)st.st_size);
    *ret_data_bytes = data_bytes;
    return 0;
}

static int attach(struct ring_map *map, const struct ring_fds *fds, int data_protection,
                  struct err *e)
{
    uint64_t data_bytes = 0;
    int rc = check_memory(fds->memory, &data_bytes, e);
    if (rc < 0)
        return rc;
    map->fds = *fds;
    map->data_bytes = data_bytes;
    void *header = mmap(NULL, HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fds->memory, 0);
    if (header == MAP_FAILED)
        return err_errno(e, -errno, FAULT_HOST, "map the ring");
    map->header = header;
    void *data = mmap(NULL, data_bytes, data_protection, MAP_SHARED, fds->memory, HEADER_BYTES);
    if (data == MAP_FAILED)
        return err_errno(e, -errno, FAULT_HOST, "map the ring");
    map->data = data;
    if (map->header->magic != RING_MAGIC || map->header->data_bytes != data_bytes)
        return err_set(e, -EPROTO, FAULT_JOB, "the ring's header is damaged");
    return 0;
}

struct ring_writer *ring_attach_writer(const struct ring_fds *fds, struct err *e)
{
    struct ring_writer *w = own_calloc(1, sizeof(*w));
    if (attach(&w->map, fds, PROT_READ | PROT_WRITE, e) < 0)
        return ring_writer_free(w);
    w->head = __atomic_load_n(&w->map.header->head, __ATOMIC_ACQUIRE);
    return w;
}

void *ring_writer_free(struct ring_writer *w)
{
    if (w)
        unmap(&w->map);
    free(w);
    return NULL;
}

/* A tail that makes no sense counts as a full ring: it can stop us, never
 * make us write over what has not been read. */
static uint64_t space(const struct ring_writer *w)
{
    uint64_t used = w->head - __atomic_load_n(&w->map.header->tail, __ATOMIC_ACQUIRE);
    return used > w->map.data_bytes ? 0 : w->map.data_bytes - used;
}

static int wait_for_space(struct ring_writer *w, uint64_t bytes)
{
    for (;;) {
        drain_fd(w->map.fds.space_free);
        if (space(w) >= bytes)
            return 0;
        struct pollfd free_again = {.fd = w->map.fds.space_free, .events = POLLIN};
        if (poll(&free_again, 1, -1) < 0 && errno != EINTR)
            return -errno;
    }
}

/* One record that fits between here and the end of the data. */
static int put(struct ring_writer *w, const struct ring_record *r, const void *payload,
               uint64_t record_bytes)
{
    int rc = wait_for_space(w, record_bytes);
    if (rc < 0)
        return rc;
    unsigned char *at = w->map.data + w->head % w->map.data_bytes;
    memcpy(at, r, sizeof(*r));
    if (payload)
        memcpy(at + sizeof(*r), payload, r->payload_bytes);
    w->head += record_bytes;
    __atomic_store_n(&w->map.header->head, w->head, __ATOMIC_RELEASE);
    signal_fd(w->map.fds.data_ready);
    return 0;
}

int ring_write(struct ring_writer *w, const struct ring_record *r, const void *payload)
{
    if (r->payload_bytes > w->map.data_bytes - sizeof(*r))
        return -EMSGSIZE;
    uint64_t record_bytes = sizeof(*r) + aligned(r->payload_bytes);
    uint64_t to_end = w->map.data_bytes - w->head % w->map.data_bytes;
    if (record_bytes > to_end) {
        const struct ring_record pad = {.kind = RING_PAD, .payload_bytes = to_end - sizeof(pad)};
        int rc = put(w, &pad, NULL, to_end);
        if (rc < 0)
            return rc;
    }
    return put(w, r, payload, record_bytes);
}

struct ring_reader *ring_attach_reader(const struct ring_fds *fds, struct err *e)
{
    struct ring_reader *r = own_calloc(1, sizeof(*r));
    if (attach(&r->map, fds, PROT_READ, e) < 0)
        return ring_reader_free(r);
    return r;
}

void *ring_reader_free(struct ring_reader *r)
{
    if (r)
        unmap(&r->map);
    free(r);
    return NULL;
}

static bool picture_is_sane(const struct ring_record *r)
{
    return r->width && r->width <= PICTURE_SIDE_MAX && r->height && r->height <= PICTURE_SIDE_MAX &&
           r->repeat && r->payload_bytes == 4ull * r->width * r->height;
}

static bool audio_is_sane(const struct ring_record *r)
{
    return r->sample_rate && r->channels && r->channels <= CHANNELS_MAX &&
           r->payload_bytes % (2 * r->channels) == 0;
}

static bool any_is_sane(const struct ring_record *r)
{
    (void)r;
    return true;
}

static bool end_is_sane(const struct ring_record *r)
{
    return r->payload_bytes == 0;
}

bool ring_is_closed(const struct ring_reader *r)
{
    return __atomic_load_n(&r->map.header->closed, __ATOMIC_ACQUIRE) != 0;
}

/* What holds for a record whatever was asked for; what the job asked for is
 * the encoder's to compare. */
static bool (*const kind_is_sane[RING_KIND_COUNT])(const struct ring_record *) = {
    [RING_PAD] = any_is_sane,     [RING_FRAME] = picture_is_sane, [RING_STILL] = picture_is_sane,
    [RING_AUDIO] = audio_is_sane, [RING_SUBTITLE] = any_is_sane,  [RING_SECTION] = any_is_sane,
    [RING_END] = end_is_sane,
};

static int hostile(struct err *e, const char *what)
{
    return err_set(e, -EPROTO, FAULT_JOB, "the frames that the scene hands over are damaged: %s",
                   what);
}

/* How many bytes there are to read. */
static int available(struct ring_reader *r, uint64_t *ret, struct err *e)
{
    uint64_t head = __atomic_load_n(&r->map.header->head, __ATOMIC_ACQUIRE);
    if (head < r->seen_head)
        return hostile(e, "the head went backwards");
    if (head % ALIGN)
        return hostile(e, "the head is not aligned");
    if (head - r->tail > r->map.data_bytes)
        return hostile(e, "the head is beyond the ring");
    r->seen_head = head;
    *ret = head - r->tail;
    return 0;
}

static int check(const struct ring_reader *r, const struct ring_record *record, uint64_t there,
                 struct err *e)
{
    uint64_t offset = r->tail % r->map.data_bytes, to_end = r->map.data_bytes - offset;
    if (record->kind >= RING_KIND_COUNT)
        return hostile(e, "a record of an unknown kind");
    if (record->payload_bytes > there - sizeof(*record) ||
        aligned(record->payload_bytes) + sizeof(*record) > there)
        return hostile(e, "a record is longer than what was written");
    uint64_t record_bytes = aligned(record->payload_bytes) + sizeof(*record);
    if (record_bytes > to_end)
        return hostile(e, "a record crosses the end of the ring");
    /* At offset 0 there is nothing to pad; refusing it keeps ring_next() from
     * going round and round with a writer that sends nothing else. */
    if (record->kind == RING_PAD && (offset == 0 || record_bytes != to_end))
        return hostile(e, "a misplaced PAD");
    if (!kind_is_sane[record->kind](record))
        return hostile(e, "a record that contradicts itself");
    return 0;
}

static void advance(struct ring_reader *r, uint64_t bytes)
{
    r->tail += bytes;
    r->record_bytes = 0;
    __atomic_store_n(&r->map.header->tail, r->tail, __ATOMIC_RELEASE);
    signal_fd(r->map.fds.space_free);
}

/* The one copy of a header: nothing is read from the shared page again. */
static void copy_header(const struct ring_reader *r, struct ring_record *ret)
{
    memcpy(ret, r->map.data + r->tail % r->map.data_bytes, sizeof(*ret));
    __asm__ volatile("" ::: "memory"); /* the compiler may not read it twice either */
}

/* As ring_next(), but gives PAD records too. */
static int next_of_any_kind(struct ring_reader *r, struct ring_record *ret, struct err *e)
{
    uint64_t there;
    int rc = available(r, &there, e);
    if (rc == 0 && there == 0) {
        drain_fd(r->map.fds.data_ready);
        rc = available(r, &there, e); /* it may have come before the draining */
    }
    if (rc < 0 || there == 0)
        return rc;
    copy_header(r, ret);
    rc = check(r, ret, there, e);
    return rc < 0 ? rc : 1;
}

int ring_next(struct ring_reader *r, struct ring_record *ret, struct err *e)
{
    struct ring_record record;
    int rc;
    while ((rc = next_of_any_kind(r, &record, e)) > 0 && record.kind == RING_PAD)
        advance(r, sizeof(record) + aligned(record.payload_bytes));
    if (rc <= 0)
        return rc;
    r->record_bytes = sizeof(record) + aligned(record.payload_bytes);
    r->payload_bytes = record.payload_bytes;
    *ret = record;
    return 1;
}

void ring_payload(struct ring_reader *r, void *dst)
{
    if (dst)
        memcpy(dst, r->map.data + r->tail % r->map.data_bytes + sizeof(struct ring_record),
               r->payload_bytes);
    advance(r, r->record_bytes);
}
