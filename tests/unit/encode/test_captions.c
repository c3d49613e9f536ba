/* Timed text packets: gaps are empty, lengths are big-endian. */
#include "../unit.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "encode/captions.h"
#include "encode/marks.h"

static void next_is(struct captions *c, int64_t at, int64_t duration, const char *text)
{
    AVPacket *p = av_packet_alloc();
    int more = 0;
    size_t bytes = strlen(text);
    assert_int_equal(captions_next(c, p, &more, NULL), 0);
    assert_int_equal(more, 1);
    assert_int_equal(p->pts, at);
    assert_int_equal(p->dts, at);
    assert_int_equal(p->duration, duration);
    assert_int_equal(p->size, bytes + 2);
    assert_int_equal(p->data[0] << 8 | p->data[1], bytes);
    assert_memory_equal(p->data + 2, text, bytes);
    av_packet_free(&p);
}

static void gaps_are_empty(void **state)
{
    (void)state;
    static char two[301];
    memset(two, 'b', 300);
    struct subtitle list[] = {
        {500, 900, "one"}, {900, 900, "no time"}, {900, 1000, two}, {1500, 1600, "three"}};
    const struct marks m = {.subtitles = list, .subtitle_count = 4};
    struct captions c;
    captions_init(&c, &m);
    next_is(&c, 0, 500, "");
    next_is(&c, 500, 400, "one");
    next_is(&c, 900, 100, two);
    next_is(&c, 1000, 500, "");
    next_is(&c, 1500, 100, "three");
    AVPacket *p = av_packet_alloc();
    int more = 1;
    assert_int_equal(captions_next(&c, p, &more, NULL), 0);
    assert_int_equal(more, 0);
    av_packet_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gaps_are_empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
