/* Text from an attempt's files, made fit to be shown: no control characters but
 * newline and tab, no C1 controls, nothing that is no UTF-8, bounded. */
#ifndef MANIMD_CLEAN_H
#define MANIMD_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/* At most `most` bytes of `text`, cut between characters; from its end when
 * `tail`. What is not allowed becomes "?"; with `one_line`, newlines and tabs
 * become blanks. The caller frees. */
char *clean_text(const char *text, size_t most, bool one_line, bool tail);

#endif
