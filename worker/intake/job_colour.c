/* Colours that a job may name as its background: #RRGGBB, or a constant of
 * manim.utils.color.manim_colors (Manim CE 0.22.0), in any case. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "job_field.h"

static const char *const names[] = {
    "WHITE",      "BLACK",      "LIGHTER_GRAY", "LIGHTER_GREY", "LIGHT_GRAY",   "LIGHT_GREY",
    "GRAY",       "GREY",       "DARK_GRAY",    "DARK_GREY",    "DARKER_GRAY",  "DARKER_GREY",
    "PURE_RED",   "PURE_GREEN", "PURE_BLUE",    "PURE_CYAN",    "PURE_MAGENTA", "PURE_YELLOW",
    "DARK_BLUE",  "PINK",       "LIGHT_PINK",   "ORANGE",       "LIGHT_BROWN",  "DARK_BROWN",
    "GRAY_BROWN", "GREY_BROWN", "LOGO_WHITE",   "LOGO_GREEN",   "LOGO_BLUE",    "LOGO_RED",
    "LOGO_BLACK",
};

/* Each of these alone, and with _A (lightest) … _E (darkest). */
static const char *const shaded[] = {
    "GRAY", "GREY", "BLUE", "TEAL", "GREEN", "YELLOW", "GOLD", "RED", "MAROON", "PURPLE",
};

static bool is_hex_colour(const char *s)
{
    if (s[0] != '#' || strlen(s) != 7)
        return false;
    for (s++; *s; s++)
        if (!isxdigit((unsigned char)*s))
            return false;
    return true;
}

static bool is_shaded(const char *s)
{
    for (size_t i = 0; i < sizeof(shaded) / sizeof(shaded[0]); i++) {
        size_t n = strlen(shaded[i]);
        if (strncasecmp(s, shaded[i], n) != 0)
            continue;
        const char *rest = s + n;
        if (!*rest)
            return true;
        if (rest[0] == '_' && strchr("ABCDEabcde", rest[1]) && rest[1] && !rest[2])
            return true;
    }
    return false;
}

bool job_colour_known(const char *name)
{
    if (is_hex_colour(name) || is_shaded(name))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}
