/* See marks.h. */
#include "marks.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/own.h"
#include "fault.h"

#define SUBTITLES_MAX 10000
#define SUBTITLE_TEXT_MAX (1024 * 1024)
#define SECTIONS_MAX 1000
#define DAY_US (24LL * 3600 * 1000000)

int marks_add_subtitle(struct marks *m, const struct subtitle *s, size_t bytes, struct err *e)
{
    if (m->subtitle_count >= SUBTITLES_MAX || m->text_bytes + bytes > SUBTITLE_TEXT_MAX)
        return fault_invalid(e, "more than %d subtitles or %d bytes of them", SUBTITLES_MAX,
                             SUBTITLE_TEXT_MAX);
    if (s->start_us < 0 || s->start_us > DAY_US || s->end_us < s->start_us || s->end_us > DAY_US)
        return fault_invalid(e, "a subtitle that is shown at no possible time");
    if (!json_valid_utf8(s->text, bytes))
        return fault_invalid(e, "a subtitle that is not UTF-8");
    m->subtitles =
        own_realloc(m->subtitles, (size_t)(m->subtitle_count + 1) * sizeof(*m->subtitles));
    m->subtitles[m->subtitle_count++] =
        (struct subtitle){s->start_us, s->end_us, own_strndup(s->text, bytes)};
    m->text_bytes += bytes;
    return 0;
}

/* Copies as much as fits, cut between characters. */
static void copy_name(char *to, const char *name)
{
    size_t n = strnlen(name, SECTION_NAME_BYTES - 1);
    while (n && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--;
    memcpy(to, name, n);
    to[n] = '\0';
}

int marks_add_section(struct marks *m, const char *json, size_t bytes, int64_t frame, struct err *e)
{
    if (m->section_count >= SECTIONS_MAX)
        return fault_invalid(e, "more than %d sections", SECTIONS_MAX);
    own_json cJSON *j = NULL;
    struct err why = ERR_INIT;
    if (json_parse(json, bytes, FAULT_JOB, &j, &why))
        return fault_invalid(e, "a section: %s", why.text);
    if (!cJSON_IsObject(j))
        return fault_invalid(e, "a section that is no JSON object");
    m->sections = own_realloc(m->sections, (size_t)(m->section_count + 1) * sizeof(*m->sections));
    struct section *s = &m->sections[m->section_count++];
    *s = (struct section){.first_frame = frame};
    copy_name(s->name, json_str(j, "name"));
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct subtitle *x = a, *y = b;
    return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

/* One at a time: a subtitle ends when the next one begins. */
static void sort_subtitles(struct marks *m)
{
    if (m->subtitle_count)
        qsort(m->subtitles, (size_t)m->subtitle_count, sizeof(*m->subtitles), by_start);
    for (int i = 0; i + 1 < m->subtitle_count; i++) {
        if (m->subtitles[i].end_us > m->subtitles[i + 1].start_us)
            m->subtitles[i].end_us = m->subtitles[i + 1].start_us;
    }
}

void marks_sort(struct marks *m, int64_t frames)
{
    int kept = 0;
    sort_subtitles(m);
    for (int i = 0; i < m->section_count; i++) {
        int64_t end = i + 1 < m->section_count ? m->sections[i + 1].first_frame : frames;
        if (end > m->sections[i].first_frame)
            m->sections[kept++] = m->sections[i];
    }
    m->section_count = kept;
}

void marks_done(struct marks *m)
{
    for (int i = 0; i < m->subtitle_count; i++)
        free(m->subtitles[i].text);
    free(m->subtitles);
    free(m->sections);
    *m = (struct marks){0};
}
