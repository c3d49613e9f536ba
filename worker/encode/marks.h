/* What a scene says about its video beside the pixels: subtitles and sections,
 * checked and bounded, for every output to use at its end. */
#ifndef MANIMD_ENCODE_MARKS_H
#define MANIMD_ENCODE_MARKS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define SECTION_NAME_BYTES 128

struct subtitle {
    int64_t start_us, end_us;
    char *text;
};

struct section {
    int64_t first_frame;
    char name[SECTION_NAME_BYTES];
};

struct marks {
    struct subtitle *subtitles; /* sorted and without overlaps after marks_sort() */
    int subtitle_count;
    struct section *sections; /* in order, each with at least one frame after marks_sort() */
    int section_count;
    size_t text_bytes; /* of all subtitles */
};

/* A SUBTITLE record. OUTCOME_output_invalid for what no player could show. */
int marks_add_subtitle(struct marks *m, const struct subtitle *s, size_t bytes, struct err *e);
/* A SECTION record: JSON {"name", "type"}; it begins with `frame`. */
int marks_add_section(struct marks *m, const char *json, size_t bytes, int64_t frame,
                      struct err *e);
/* Once, at the end, when the video has `frames`. */
void marks_sort(struct marks *m, int64_t frames);
void marks_done(struct marks *m);

#endif
