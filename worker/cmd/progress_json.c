#include "progress_json.h"

#include <math.h>
#include <string.h>

#include "../base/err.h"
#include "../base/json.h"

static const char *const numbers[] = {"percent", "frames",       "fps",        "eta_s",
                                      "play",    "stored_bytes", "total_bytes"};

char *progress_json(enum stage stage, const char *line)
{
    own_json cJSON *from = NULL;
    if (json_parse(line, strlen(line), FAULT_JOB, &from, NULL) || !cJSON_IsObject(from))
        return NULL;
    own_json cJSON *to = cJSON_CreateObject();
    cJSON_AddStringToObject(to, "stage", stage_name(stage));
    int known = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, numbers[i]);
        if (!cJSON_IsNumber(value) || !isfinite(value->valuedouble))
            continue;
        cJSON_AddNumberToObject(to, numbers[i], value->valuedouble);
        known++;
    }
    double total_bytes = json_num(to, "total_bytes", 0);
    if (!cJSON_HasObjectItem(to, "percent") && total_bytes > 0)
        cJSON_AddNumberToObject(to, "percent", 100 * json_num(to, "stored_bytes", 0) / total_bytes);
    return known ? json_print(to) : NULL;
}
