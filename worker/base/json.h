/* Reading JSON that others wrote, and writing our own; cJSON underneath, in
 * json.c only as far as its limits go: text is checked for length, valid
 * UTF-8, depth and duplicate keys before it is parsed. */
#ifndef MANIMD_JSON_H
#define MANIMD_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

static inline void own_json_free(cJSON **j)
{
    cJSON_Delete(*j);
}
#define own_json __attribute__((cleanup(own_json_free)))

#define JSON_DEPTH_MAX 16

/* One JSON value and nothing behind it. The sentence in `e` says where the
 * text went wrong (line and column). Fault is `fault`. Caller frees. */
int json_parse(const char *text, size_t bytes, int fault, cJSON **ret, struct err *e);
bool json_valid_utf8(const char *text, size_t bytes);
/* "" or the default when the key is missing or of another type. */
const char *json_str(const cJSON *object, const char *key);
double json_num(const cJSON *object, const char *key, double otherwise);
/* Unformatted text; the caller frees. */
char *json_print(const cJSON *j);
/* An integer without the loss that cJSON's doubles have above 2^53. */
cJSON *json_add_int(cJSON *object, const char *key, int64_t value);
/* Appends `s` as a JSON string, quotes included, control characters escaped,
 * bytes that are no UTF-8 as U+FFFD. All of it or, past the ceiling, nothing:
 * -EMSGSIZE. */
int json_quote(struct buf *b, const char *s, size_t bytes);

#endif
