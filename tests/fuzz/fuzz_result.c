/* The result reader: render.json and store.json as a stage left them (or as
 * whoever got hold of a stage would write them). The result stays JSON, within
 * its ceiling, fit to be shown, and its outcome is one that such an exit may
 * have.
 *
 * Input: exit status, outcome, render.json up to a NUL, store.json. */
#include <fcntl.h>
#include <unistd.h>

#include "../../worker/base/err.h"
#include "../../worker/base/limits.h"
#include "../../worker/events/result.h"
#include "fuzz.h"

static void put(const char *name, const char *text, size_t bytes)
{
    own_fd int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes);
}

static void check_texts(const cJSON *node)
{
    must(!node->string || fuzz_is_clean(node->string));
    must(!cJSON_IsString(node) || fuzz_is_clean(node->valuestring));
    for (const cJSON *child = node->child; child; child = child->next)
        check_texts(child);
}

static void check_result(enum outcome o)
{
    const struct job job = {.id = "a", .metadata = (char[]){"{\"k\":[1,\"v\"]}"}};
    own_json cJSON *tree = NULL;
    own_free char *text = result_build(&(struct result_facts){.job = &job,
                                                              .worker = "w",
                                                              .price_per_hour = "0.5",
                                                              .slots = 2,
                                                              .attempt = 1,
                                                              .outcome = o,
                                                              .why = "our own words",
                                                              .dir = ".",
                                                              .enqueued_unix_ms = 1,
                                                              .claimed_unix_ms = 2});
    must(strlen(text) <= CEILING_RESULT_BYTES);
    must(json_parse(text, strlen(text), FAULT_HOST, &tree, NULL) == 0);
    must(strcmp(json_str(tree, "id"), "a") == 0);
    must(strcmp(json_str(tree, "outcome"), outcome_name(o)) == 0);
    check_texts(tree);
}

static void check_outcome(const char *file, int exit)
{
    struct err e = ERR_INIT;
    enum outcome o = result_outcome(".", file, exit, &e);
    must(o < OUTCOME_COUNT);
    must((o == OUTCOME_completed) <= (exit == STAGE_DONE));
    must(exit != STAGE_JOB_FAULT || o == OUTCOME_host_error || !outcome_is_host_fault(o));
    must(exit != STAGE_HOST_FAULT || outcome_is_host_fault(o));
    must(fuzz_is_clean(e.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    int exit = (int)(feed_byte(&f) % 5);
    enum outcome o = feed_byte(&f) % OUTCOME_COUNT;
    size_t render_bytes;
    own_free char *render = feed_text(&f, 0, &render_bytes);
    put("render.json", render, render_bytes);
    put("store.json", (const char *)f.at, f.left);
    check_outcome("render.json", exit);
    check_outcome("store.json", exit);
    check_result(o);
    return 0;
}
