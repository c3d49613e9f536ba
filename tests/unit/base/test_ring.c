/* ring.c: two processes, and a writer that lies. The liar maps the memory by
 * itself and writes what it likes into the shared pages. */
#include "../unit.h"

#include "base/err.h"
#include "base/own.h"
#include "base/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct rig {
    struct ring_fds fds;
    size_t data_bytes;
    unsigned char *memory; /* the liar's own mapping, header page first */
    struct ring_reader *reader;
    struct ring_writer *writer;
};

static int setup(void **state)
{
    struct rig *rig = own_calloc(1, sizeof(*rig));
    struct stat st;
    assert_int_equal(ring_create(1, &rig->fds, NULL), 0);
    assert_int_equal(fstat(rig->fds.memory, &st), 0);
    rig->data_bytes = (size_t)st.st_size - PAGE;
    rig->memory =
        mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fds.memory, 0);
    assert_ptr_not_equal(rig->memory, MAP_FAILED);
    rig->reader = ring_attach_reader(&rig->fds, NULL);
    rig->writer = ring_attach_writer(&rig->fds, NULL);
    assert_non_null(rig->reader);
    assert_non_null(rig->writer);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    munmap(rig->memory, rig->data_bytes + PAGE);
    ring_reader_free(rig->reader);
    ring_writer_free(rig->writer);
    close(rig->fds.memory);
    close(rig->fds.data_ready);
    close(rig->fds.space_free);
    free(rig);
    return 0;
}

/* The same on both sides of a fork: size and bytes of record `n`. */
static uint64_t size_of(unsigned n)
{
    unsigned x = n * 2654435761u;
    x ^= x >> 15;
    return n % 97 == 0 ? 3000000 + x % 4000000 : x % 50000;
}

static void fill(unsigned char *payload, uint64_t bytes, unsigned n)
{
    for (uint64_t i = 0; i < bytes; i++)
        payload[i] = (unsigned char)(n + i * 7);
}

static void write_many(const struct ring_fds *fds, unsigned count)
{
    struct ring_writer *w = ring_attach_writer(fds, NULL);
    own_free unsigned char *payload = own_calloc(1, 8 << 20);
    for (unsigned n = 0; n < count; n++) {
        struct ring_record r = {.kind = RING_SUBTITLE, .payload_bytes = size_of(n), .start_us = n};
        fill(payload, r.payload_bytes, n);
        if (ring_write(w, &r, payload) != 0)
            _exit(1);
    }
    struct ring_record end = {.kind = RING_END};
    _exit(ring_write(w, &end, NULL) == 0 ? 0 : 1);
}

/* Waits for the next record, as the encoder does. */
static void next(struct rig *rig, struct ring_record *r)
{
    struct err e = ERR_INIT;
    int rc;
    while ((rc = ring_next(rig->reader, r, &e)) == 0) {
        struct pollfd ready = {.fd = rig->fds.data_ready, .events = POLLIN};
        if (poll(&ready, 1, 20000) != 1)
            fail_msg("nothing came");
    }
    if (rc != 1)
        fail_msg("%s", e.text);
}

static void everything_arrives_in_order_around_the_end(void **state)
{
    struct rig *rig = *state;
    const unsigned count = 1000; /* about 60 MB through 8 */
    pid_t pid = fork();
    if (pid == 0)
        write_many(&rig->fds, count);
    own_free unsigned char *got = own_calloc(1, 8 << 20), *wanted = own_calloc(1, 8 << 20);
    struct ring_record r;
    for (unsigned n = 0; n < count; n++) {
        next(rig, &r);
        assert_int_equal(r.kind, RING_SUBTITLE);
        assert_int_equal(r.start_us, n);
        assert_int_equal(r.payload_bytes, size_of(n));
        ring_payload(rig->reader, n % 5 == 4 ? NULL : got);
        fill(wanted, r.payload_bytes, n);
        if (n % 5 != 4)
            assert_memory_equal(got, wanted, r.payload_bytes);
    }
    next(rig, &r);
    assert_int_equal(r.kind, RING_END);
    ring_payload(rig->reader, NULL);
    assert_int_equal(ring_next(rig->reader, &r, NULL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_full_ring_blocks_and_goes_on(void **state)
{
    struct rig *rig = *state;
    const size_t frame = 4 * 1024 * 512; /* 2 MiB: three fit with their headers */
    own_free unsigned char *pixels = own_calloc(1, frame);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    own_fd int in = ends[0], out = ends[1];
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_record r = {
            .kind = RING_FRAME, .repeat = 1, .width = 1024, .height = 512, .payload_bytes = frame};
        for (int i = 0; i < 8; i++)
            if (ring_write(rig->writer, &r, pixels) != 0 || write(out, "w", 1) != 1)
                _exit(1);
        _exit(0);
    }
    char seen[16];
    ssize_t written = 0;
    while (written < 3) { /* it tells of each that it got rid of */
        struct pollfd told = {.fd = in, .events = POLLIN};
        assert_int_equal(poll(&told, 1, 20000), 1);
        written += read(in, seen, sizeof(seen));
    }
    struct pollfd told = {.fd = in, .events = POLLIN};
    assert_int_equal(poll(&told, 1, 100), 0); /* the fourth has no room */
    for (int i = 0; i < 8; i++) {
        struct ring_record r;
        next(rig, &r);
        ring_payload(rig->reader, pixels);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void sizes_have_their_bounds(void **state)
{
    struct rig *rig = *state;
    struct ring_fds fds;
    struct stat st;
    assert_int_equal(rig->data_bytes, 8 << 20);
    assert_int_equal(ring_create(3840 * 2160 * 4, &fds, NULL), 0);
    assert_int_equal(fstat(fds.memory, &st), 0);
    assert_true(st.st_size >= 4 * (3840 * 2160 * 4 + 64) && st.st_size <= (256 << 20) + PAGE);
    assert_int_equal(fcntl(fds.memory, F_GET_SEALS) & SEALS, SEALS);
    assert_true(fcntl(fds.memory, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(ftruncate(fds.memory, 0), -1);
    close(fds.memory);
    close(fds.data_ready);
    close(fds.space_free);
    assert_int_equal(ring_create((size_t)300 << 20, &fds, NULL), -EMSGSIZE);
    assert_int_equal(ring_create(SIZE_MAX, &fds, NULL), -EMSGSIZE);

    struct ring_record r = {.kind = RING_SUBTITLE, .payload_bytes = rig->data_bytes - 63};
    assert_int_equal(ring_write(rig->writer, &r, NULL), -EMSGSIZE);
    r.payload_bytes = UINT64_MAX;
    assert_int_equal(ring_write(rig->writer, &r, NULL), -EMSGSIZE);
}

static void the_largest_record_fits_anywhere(void **state)
{
    struct rig *rig = *state;
    own_free unsigned char *payload = own_calloc(1, rig->data_bytes);
    struct ring_record small = {.kind = RING_SUBTITLE, .payload_bytes = 100}, r;
    assert_int_equal(ring_write(rig->writer, &small, payload), 0);
    next(rig, &r);
    ring_payload(rig->reader, NULL);
    pid_t pid = fork();
    if (pid == 0) { /* must wait until the PAD in front of it is gone */
        struct ring_record large = {.kind = RING_SUBTITLE, .payload_bytes = rig->data_bytes - 64};
        _exit(ring_write(rig->writer, &large, payload) == 0 ? 0 : 1);
    }
    next(rig, &r);
    assert_int_equal(r.payload_bytes, rig->data_bytes - 64);
    ring_payload(rig->reader, payload);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void what_is_not_sealed_is_not_attached(void **state)
{
    struct rig *rig = *state;
    struct ring_fds fds = rig->fds;
    struct err e = ERR_INIT;
    own_fd int open_memory = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(open_memory, PAGE + (8 << 20)), 0);
    memcpy(&fds, &rig->fds, sizeof(fds));
    fds.memory = open_memory;
    assert_null(ring_attach_reader(&fds, &e));
    assert_contains(e.text, "not sealed");
    assert_int_equal(fcntl(open_memory, F_ADD_SEALS, SEALS), 0);
    assert_null(ring_attach_reader(&fds, &e));
    assert_contains(e.text, "header is damaged");
    own_fd int small = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(small, PAGE - 1), 0);
    assert_int_equal(fcntl(small, F_ADD_SEALS, SEALS), 0);
    fds.memory = small;
    assert_null(ring_attach_reader(&fds, &e));
    assert_contains(e.text, "none of ours");
    own_fd int no_memory = eventfd(0, EFD_CLOEXEC);
    fds.memory = no_memory;
    assert_null(ring_attach_writer(&fds, &e));
    assert_contains(e.text, "not sealed");
}

/* A record at `at`, and a head, as the liar wants them. */
static void forge(struct rig *rig, uint64_t at, const struct ring_record *r, uint64_t head)
{
    memcpy(rig->memory + PAGE + at % rig->data_bytes, r, sizeof(*r));
    __atomic_store_n((uint64_t *)(rig->memory + 64), head, __ATOMIC_RELEASE);
}

static void lies_are_found_out(void **state)
{
    struct rig *rig = *state;
    const uint64_t all = rig->data_bytes;
    const struct {
        struct ring_record record;
        uint64_t head;
        const char *words;
    } lies[] = {
        {{.kind = RING_END}, 63, "not aligned"},
        {{.kind = RING_END}, all + 64, "beyond the ring"},
        {{.kind = RING_END}, UINT64_MAX - 63, "beyond the ring"},
        {{.kind = RING_KIND_COUNT}, 64, "unknown kind"},
        {{.kind = UINT32_MAX}, 64, "unknown kind"},
        {{.kind = RING_SUBTITLE, .payload_bytes = 1}, 64, "longer than what was written"},
        {{.kind = RING_SUBTITLE, .payload_bytes = UINT64_MAX}, 128, "longer than"},
        {{.kind = RING_SUBTITLE, .payload_bytes = UINT64_MAX - 63}, 128, "longer than"},
        {{.kind = RING_SUBTITLE, .payload_bytes = all}, all, "longer than"},
        {{.kind = RING_PAD, .payload_bytes = all - 64}, all, "misplaced PAD"},
        {{.kind = RING_PAD, .payload_bytes = 64}, 256, "misplaced PAD"},
        {{.kind = RING_END, .payload_bytes = 64}, 128, "contradicts itself"},
        {{.kind = RING_FRAME, .repeat = 1, .payload_bytes = 64}, 128, "contradicts"},
        {{.kind = RING_FRAME, .repeat = 0, .width = 4, .height = 4, .payload_bytes = 64},
         128,
         "contradicts"},
        {{.kind = RING_FRAME, .repeat = 1, .width = 4, .height = 5, .payload_bytes = 64},
         128,
         "contradicts"},
        {{.kind = RING_STILL, .repeat = 1, .width = 1 << 16, .height = 1 << 14},
         64,
         "contradicts"}, /* 4 * 2^30 would be 0 in 32 bits; the side is too long already */
        {{.kind = RING_AUDIO, .payload_bytes = 64}, 128, "contradicts"},
        {{.kind = RING_AUDIO, .sample_rate = 1, .channels = 0x80000000u, .payload_bytes = 64},
         128,
         "contradicts"},
        {{.kind = RING_AUDIO, .sample_rate = 1, .channels = 2, .payload_bytes = 63},
         128,
         "contradicts"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct err e = ERR_INIT;
        struct ring_record r;
        struct ring_reader *reader = ring_attach_reader(&rig->fds, &e);
        forge(rig, 0, &lies[i].record, lies[i].head);
        assert_int_equal(ring_next(reader, &r, &e), -EPROTO);
        assert_int_equal(e.fault, FAULT_JOB);
        assert_contains(e.text, lies[i].words);
        ring_reader_free(reader);
    }
}

static void lies_behind_true_records_are_found_out_too(void **state)
{
    struct rig *rig = *state;
    struct err e = ERR_INIT;
    struct ring_record r, text = {.kind = RING_SUBTITLE, .payload_bytes = 64};
    forge(rig, 0, &text, 256);
    assert_int_equal(ring_next(rig->reader, &r, &e), 1);
    ring_payload(rig->reader, NULL);
    forge(rig, 128, &text, 128); /* not below the tail, yet below what was seen */
    assert_int_equal(ring_next(rig->reader, &r, &e), -EPROTO);
    assert_contains(e.text, "went backwards");

    /* Across the end: the second record begins 128 bytes before it. */
    struct ring_reader *reader = ring_attach_reader(&rig->fds, &e);
    text.payload_bytes = rig->data_bytes - 192;
    forge(rig, 0, &text, rig->data_bytes);
    assert_int_equal(ring_next(reader, &r, &e), 1);
    ring_payload(reader, NULL);
    text.payload_bytes = 128;
    forge(rig, rig->data_bytes - 128, &text, rig->data_bytes + 64);
    assert_int_equal(ring_next(reader, &r, &e), -EPROTO);
    assert_contains(e.text, "crosses the end");
    ring_reader_free(reader);
}

static void what_was_read_cannot_be_changed(void **state)
{
    struct rig *rig = *state;
    struct ring_record r, text = {.kind = RING_SUBTITLE, .payload_bytes = 64, .start_us = 5};
    unsigned char got[64], *payload = rig->memory + PAGE + 64;
    memset(payload, 'a', 64);
    forge(rig, 0, &text, 128);
    assert_int_equal(ring_next(rig->reader, &r, NULL), 1);
    /* The header was copied once: a longer one now makes nothing longer. */
    text.payload_bytes = 1 << 20;
    text.start_us = 6;
    forge(rig, 0, &text, 128);
    assert_int_equal(r.start_us, 5);
    assert_int_equal(r.payload_bytes, 64);
    ring_payload(rig->reader, got);
    memset(payload, 'b', 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(got[i], 'a');
    assert_int_equal(ring_next(rig->reader, &r, NULL), 0);
}

/* The encoder may lie too: its tail can stop the writer, never make it write
 * over what is unread or out of the mapping. */
static void a_false_tail_stops_the_writer(void **state)
{
    struct rig *rig = *state;
    struct ring_record text = {.kind = RING_SUBTITLE, .payload_bytes = 64};
    const uint64_t tails[] = {1 << 30, UINT64_MAX - (1 << 30), 64};
    for (int i = 0; i < 3; i++) {
        __atomic_store_n((uint64_t *)(rig->memory + 128), tails[i], __ATOMIC_RELEASE);
        pid_t pid = fork();
        if (pid == 0) {
            ring_write(rig->writer, &text, rig->memory);
            _exit(0);
        }
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        assert_int_equal(poll(&ended, 1, 50), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        waitpid(pid, NULL, 0);
        close(pidfd);
    }
}

/* Found by tests/fuzz/: a PAD whose length is no multiple of 64 left the tail
 * beside the grid, and a later header was read from beyond the mapping. */
static void a_crooked_pad_leads_nowhere(void **state)
{
    struct rig *rig = *state;
    struct err e = ERR_INIT;
    const uint64_t all = rig->data_bytes;
    struct ring_record r, text = {.kind = RING_SUBTITLE};
    const struct ring_record pad = {.kind = RING_PAD, .payload_bytes = 65};
    text.payload_bytes = all - 64 - 192;
    forge(rig, 0, &text, all - 192);
    assert_int_equal(ring_next(rig->reader, &r, &e), 1);
    ring_payload(rig->reader, NULL);
    forge(rig, all - 192, &pad, all);
    assert_int_equal(ring_next(rig->reader, &r, &e), 0);
    assert_int_equal(*(uint64_t *)(rig->memory + 128), all);
    text.payload_bytes = 7;
    forge(rig, all, &text, all + 128);
    assert_int_equal(ring_next(rig->reader, &r, &e), 1);
    assert_int_equal(r.payload_bytes, 7);
}

/* The writer died without an END: the reader is woken, reads what there is, and
 * then knows that nothing more will come. */
static void a_closed_ring_wakes_its_reader(void **state)
{
    struct rig *rig = *state;
    struct ring_record r, text = {.kind = RING_SUBTITLE, .payload_bytes = 64};
    struct pollfd ready = {.fd = rig->fds.data_ready, .events = POLLIN};
    assert_int_equal(ring_write(rig->writer, &text, rig->memory), 0);
    assert_int_equal(ring_next(rig->reader, &r, NULL), 1);
    ring_payload(rig->reader, NULL);
    assert_int_equal(ring_next(rig->reader, &r, NULL), 0);
    assert_false(ring_is_closed(rig->reader));
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_int_equal(ring_write(rig->writer, &text, rig->memory), 0);
    assert_int_equal(ring_next(rig->reader, &r, NULL), 1);
    ring_payload(rig->reader, NULL);
    assert_int_equal(ring_close(&rig->fds, NULL), 0);
    assert_int_equal(poll(&ready, 1, 0), 1);
    assert_true(ring_is_closed(rig->reader));
    assert_int_equal(ring_next(rig->reader, &r, NULL), 0);
}

/* What the writer may do to a descriptor that both have: no wait for it. */
static void a_writer_cannot_hold_up_who_closes(void **state)
{
    struct rig *rig = *state;
    const uint64_t brim = UINT64_MAX - 1;
    assert_int_equal(write(rig->fds.data_ready, &brim, sizeof(brim)), sizeof(brim));
    assert_int_equal(fcntl(rig->fds.data_ready, F_SETFL, 0), 0);
    alarm(10); /* ends the test where it would wait for ever */
    assert_int_equal(ring_close(&rig->fds, NULL), 0);
    alarm(0);
    assert_true(ring_is_closed(rig->reader));
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(everything_arrives_in_order_around_the_end),
        WITH_RIG(a_full_ring_blocks_and_goes_on),
        WITH_RIG(sizes_have_their_bounds),
        WITH_RIG(the_largest_record_fits_anywhere),
        WITH_RIG(what_is_not_sealed_is_not_attached),
        WITH_RIG(lies_are_found_out),
        WITH_RIG(lies_behind_true_records_are_found_out_too),
        WITH_RIG(a_crooked_pad_leads_nowhere),
        WITH_RIG(what_was_read_cannot_be_changed),
        WITH_RIG(a_false_tail_stops_the_writer),
        WITH_RIG(a_closed_ring_wakes_its_reader),
        WITH_RIG(a_writer_cannot_hold_up_who_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
