/* Packets come back as they went; budgets and broken disks are told. */
#include "../unit.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "encode/fault.h"
#include "encode/spool.h"

static AVPacket *packet(int bytes, int64_t pts)
{
    AVPacket *p = av_packet_alloc();
    assert_int_equal(av_new_packet(p, bytes), 0);
    memset(p->data, (int)pts & 0xff, (size_t)bytes);
    p->pts = pts;
    p->dts = pts - 3;
    p->duration = 1;
    p->flags = pts % 2 ? AV_PKT_FLAG_KEY : 0;
    return p;
}

static void comes_back_as_it_went(void **state)
{
    (void)state;
    struct budget budget = {1 << 20};
    struct spool s;
    assert_int_equal(spool_open(&s, "test.spool", &budget, NULL), 0);
    for (int i = 0; i < 300; i++) {
        AVPacket *p = packet(i * 7, i);
        assert_int_equal(spool_write(&s, p, NULL), 0);
        av_packet_free(&p);
    }
    assert_int_equal(budget.left_bytes, (1 << 20) - 7 * 299 * 300 / 2);
    assert_int_equal(spool_rewind(&s, NULL), 0);
    AVPacket *p = av_packet_alloc();
    int more, n = 0;
    for (; spool_read(&s, p, &more, NULL) == 0 && more; n++) {
        assert_int_equal(p->pts, n);
        assert_int_equal(p->dts, n - 3);
        assert_int_equal(p->size, n * 7);
        assert_int_equal(p->flags & AV_PKT_FLAG_KEY, n % 2);
        for (int i = 0; i < p->size; i++)
            assert_int_equal(p->data[i], n & 0xff);
        av_packet_unref(p);
    }
    assert_int_equal(n, 300);
    av_packet_free(&p);
    spool_done(&s);
    assert_int_equal(access("test.spool", F_OK), -1);
}

static void stops_at_the_budget(void **state)
{
    (void)state;
    struct budget budget = {1000};
    struct spool s;
    assert_int_equal(spool_open(&s, "test.spool", &budget, NULL), 0);
    AVPacket *p = packet(600, 1);
    assert_int_equal(spool_write(&s, p, NULL), 0);
    assert_int_equal(spool_write(&s, p, NULL), OUTCOME_disk_limit);
    av_packet_free(&p);
    spool_done(&s);
}

static void a_full_disk_is_the_hosts_fault(void **state)
{
    (void)state;
    struct budget budget = {1 << 20};
    struct err e = ERR_INIT;
    struct spool s = {.name = "/dev/full", .budget = &budget, .file = fopen("/dev/full", "we")};
    AVPacket *p = packet(600, 1);
    int rc = 0;
    for (int i = 0; !rc && i < 100; i++) /* stdio notices when its buffer is full */
        rc = spool_write(&s, p, &e);
    assert_int_equal(fault_exit(rc), STAGE_HOST_FAULT);
    assert_int_equal(e.fault, FAULT_HOST);
    assert_contains(e.text, "No space left");
    assert_int_equal(fault_exit(spool_rewind(&s, &e)), STAGE_HOST_FAULT);
    av_packet_free(&p);
    (void)fclose(s.file);
}

static void faults_have_an_outcome_and_an_exit(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(fault_outcome(0), OUTCOME_completed);
    assert_int_equal(fault_exit(0), STAGE_DONE);
    assert_int_equal(fault_outcome(-EIO), OUTCOME_host_error);
    assert_int_equal(fault_exit(-EIO), STAGE_HOST_FAULT);
    assert_int_equal(fault_exit(fault_invalid(&e, "a %s", "thing")), STAGE_JOB_FAULT);
    assert_string_equal(e.text, "a thing");
    assert_int_equal(fault_av(&e, AVERROR(EFBIG), "x"), OUTCOME_disk_limit);
    assert_int_equal(fault_exit(OUTCOME_sandbox_setup), STAGE_HOST_FAULT);
    int rc = fault_av(&e, AVERROR_INVALIDDATA, "encode");
    assert_int_equal(fault_outcome(rc), OUTCOME_host_error);
    assert_contains(e.text, "encode: Invalid data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(stops_at_the_budget),
        cmocka_unit_test(a_full_disk_is_the_hosts_fault),
        cmocka_unit_test(faults_have_an_outcome_and_an_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
