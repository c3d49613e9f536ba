/* What becomes of an encoder's last word in render.json, when it lies. */
#include "../unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/own.h"
#include "render/keeper.h"

static cJSON *judged(const char *encoder_word)
{
    const struct job job = {.id = "a"};
    struct render_spec spec = {.zygote_fd = -1};
    struct keeper k = {.job = &job, .spec = &spec, .log = SCENE_LOG_INIT};
    struct err e = ERR_INIT;
    cJSON *result = NULL;
    own_buf struct buf text = BUF_INIT(CEILING_RESULT_BYTES);
    own_fd int dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    k.dir_fd = k.out_dir_fd = dir_fd;
    assert_int_equal(
        json_parse(encoder_word, strlen(encoder_word), FAULT_HOST, &k.encoder_word, &e), 0);
    verdict_set(&k.verdict, OUTCOME_completed, NULL);
    assert_int_equal(keeper_write_result(&k, &e), 0);
    assert_int_equal(file_read(dir_fd, "render.json", &text, &e), 0);
    assert_int_equal(json_parse(text.data, text.bytes, FAULT_HOST, &result, &e), 0);
    cJSON_Delete(k.encoder_word);
    return result;
}

static void numbers_are_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int frames;
    } cases[] = {
        {"{\"frames\":7,\"distinct\":3}", 7},
        {"{\"frames\":3e36,\"distinct\":-3e36}", 0},
        {"{\"frames\":-1}", 0},
        {"{\"frames\":\"7\"}", 0},
        {"{}", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own_json cJSON *result = judged(cases[i].word);
        assert_int_equal((int)json_num(result, "frames", -1), cases[i].frames);
        assert_true(json_num(result, "frames_distinct", -1) >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
