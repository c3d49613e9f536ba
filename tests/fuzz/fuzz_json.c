/* JSON as strangers write it: what the strict scanner lets through, cJSON must
 * read as the same, whatever the text; what we quote, both must read back. */
#include "../../worker/base/buf.h"
#include "../../worker/base/err.h"
#include "../../worker/base/limits.h"
#include "fuzz.h"

static void check_accepted(const cJSON *tree)
{
    own_free char *text = json_print(tree);
    own_json cJSON *again = NULL;
    struct err e = ERR_INIT;
    must(json_parse(text, strlen(text), FAULT_JOB, &again, &e) == 0);
    must(cJSON_Compare(tree, again, true));
}

static void check_quoted(const char *text, size_t bytes)
{
    own_buf struct buf quoted = BUF_INIT(CEILING_JOB_JSON_BYTES);
    own_json cJSON *string = NULL;
    if (memchr(text, 0, bytes) || json_quote(&quoted, text, bytes) < 0)
        return;
    must(json_parse(quoted.data, quoted.bytes, FAULT_JOB, &string, NULL) == 0);
    must(cJSON_IsString(string));
    if (json_valid_utf8(text, bytes))
        must(strlen(string->valuestring) == bytes && !memcmp(string->valuestring, text, bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct err e = ERR_INIT;
    own_json cJSON *tree = NULL;
    if (json_parse((const char *)data, bytes, FAULT_JOB, &tree, &e) == 0) {
        check_accepted(tree);
    } else {
        must(!tree && e.fault == FAULT_JOB);
        fuzz_check_sentence(e.text);
    }
    check_quoted((const char *)data, bytes);
    return 0;
}
