/* The directory queue: order, results, refusals, release, the end. */
#include "queue_world.h"

#include <dirent.h>

#include "base/buf.h"
#include "base/file.h"

static void dir_start(struct world *w, const char *dir)
{
    int argc = 0;
    const struct queue_events events = {
        .on_claim = world_on_claim,
        .on_finished = world_on_finished,
        .on_empty = world_on_empty,
        .on_warning = world_on_warning,
        .arg = w,
    };
    struct err e = ERR_INIT;
    *w = (struct world){.loop = loop_new()};
    assert_int_equal(config_load(&w->config, &argc, (char *[]){NULL}, NULL), 0);
    (void)mkdir(dir, 0755);
    if (queue_open_dir(w->loop, &w->config, dir, &events, &w->queue, &e) < 0)
        fail_msg("%s", e.text);
}

static void dir_stop(struct world *w)
{
    w->queue->ops->close(w->queue);
    loop_free(w->loop);
    config_done(&w->config);
}

static void drop_file(const char *path, const char *text)
{
    struct err e = ERR_INIT;
    if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, &e) < 0)
        fail_msg("%s", e.text);
}

static void expect_file(const char *path, const char *part)
{
    own_buf struct buf b = BUF_INIT(1 << 20);
    struct err e = ERR_INIT;
    if (file_read(AT_FDCWD, path, &b, &e) < 0)
        fail_msg("%s", e.text);
    if (!strstr(buf_str(&b), part))
        fail_msg("%s: %s without %s", path, buf_str(&b), part);
}

static void takes_in_order(void **state)
{
    struct world w;
    (void)state;
    dir_start(&w, "d1");
    drop_file("d1/new/b.json", "{\"id\":\"second\",\"code\":\"x\"}");
    drop_file("d1/new/a.json", "{\"id\":\"first\",\"code\":\"x\"}");
    drop_file("d1/new/c.txt", "not a job");
    drop_file("d1/new/.hidden.json", "not a job");
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1);
    assert_string_equal(w.claims[0]->job.id, "first");
    assert_int_equal(w.claims[0]->attempt, 1);
    assert_int_equal(strlen(w.claims[0]->nonce), 32);
    assert_int_equal(access("d1/active/a.json", F_OK), 0);
    finish(&w, w.claims[0], OUTCOME_completed, "{\"r\":1}");
    assert_int_equal(w.finished, 0); /* never inside the call */
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    expect_file("d1/done/first.json", "{\"r\":1}");
    assert_int_not_equal(access("d1/active/a.json", F_OK), 0);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    assert_int_equal(w.empty, 0);
    finish(&w, w.claims[1], OUTCOME_scene_error, "{\"r\":2}");
    WAIT_FOR(&w, w.finished == 2);
    offer(&w, 1);
    WAIT_FOR(&w, w.empty == 1);
    /* One that comes later is seen. */
    drop_file("d1/new/z.json", "{\"id\":\"third\",\"code\":\"x\"}");
    WAIT_FOR(&w, w.claimed == 3);
    dir_stop(&w);
}

static void refuses_files(void **state)
{
    struct world w;
    (void)state;
    dir_start(&w, "d2");
    own_free char *large = own_calloc(1, JOB_JSON_MAX_BYTES + 2);
    memset(large, ' ', JOB_JSON_MAX_BYTES + 1);
    drop_file("d2/new/a.json", "{");
    drop_file("d2/new/b.json", "{\"id\":\"known\",\"code\":\"x\",\"fps\":0}");
    drop_file("d2/new/c.json", large);
    offer(&w, 1);
    WAIT_FOR(&w, w.empty == 1);
    assert_int_equal(w.claimed, 0);
    expect_file("d2/done/a.json", "\"outcome\":\"source_rejected\"");
    expect_file("d2/done/known.json", "outside of 1 to 120");
    expect_file("d2/done/c.json", "\"outcome\":\"source_rejected\"");
    dir_stop(&w);
}

static void releases_file(void **state)
{
    struct world w;
    (void)state;
    dir_start(&w, "d3");
    drop_file("d3/new/a.json", "{\"id\":\"a\",\"code\":\"x\"}");
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1);
    w.queue->ops->release(w.queue, w.claims[0]);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(access("d3/new/a.json", F_OK), 0);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    struct err e = ERR_INIT;
    struct queue *q = NULL;
    struct queue_events none = {0};
    assert_true(queue_open_dir(w.loop, &w.config, "absent", &none, &q, &e) < 0);
    assert_non_null(strstr(e.text, "absent"));
    dir_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_in_order),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(releases_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
