/* JSON, read twice. cJSON is lenient where strangers write (it takes "01",
 * control characters and any byte below 33 as space, cuts strings at \u0000,
 * keeps both of two equal keys), so a strict scanner of our own goes first
 * and cJSON only builds the tree of what has passed.
 *
 * The scanner is a pushdown automaton: what may come next is `expects`, and
 * the open brackets are the stack. Grammar: RFC 8259. */
#include "json.h"

#include "buf.h"
#include "err.h"
#include "own.h"
#include "utf8.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* cJSON copies a number into 64 bytes and would split a longer one. */
#define NUMBER_CHARS_MAX 62
/* %1.15g, which cJSON prints with, is exact and free of exponents below. */
#define PLAIN_INT_MAX 999999999999999

enum expects { A_VALUE, A_VALUE_OR_END, A_KEY, A_KEY_OR_END, A_COLON, A_COMMA_OR_END, NOTHING };

struct scan {
    const char *text;
    size_t bytes, at;
    enum expects expects;
    int depth;
    char open[JSON_DEPTH_MAX]; /* '{' or '[', outermost first */
    const char *wrong;         /* what is wrong at `at`, once something is */
};

/* Offset of the first byte that is not UTF-8, `bytes` when all is well. */
static size_t utf8_end(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        size_t length = utf8_length(text + at, bytes - at);
        if (!length)
            break;
        at += length;
    }
    return at;
}

bool json_valid_utf8(const char *text, size_t bytes)
{
    return utf8_end(text, bytes) == bytes;
}

static bool is_wrong(struct scan *s, const char *what)
{
    s->wrong = what;
    return false;
}

static char peek(const struct scan *s)
{
    return s->at < s->bytes ? s->text[s->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t length = strlen(word);
    if (s->bytes - s->at < length || memcmp(s->text + s->at, word, length) != 0)
        return is_wrong(s, "a value is expected here");
    s->at += length;
    return true;
}

static bool scan_digits(struct scan *s)
{
    if (!is_digit(peek(s)))
        return is_wrong(s, "a digit is missing in this number");
    while (is_digit(peek(s)))
        s->at++;
    return true;
}

static bool scan_number(struct scan *s)
{
    size_t start = s->at;
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0' && s->at + 1 < s->bytes && is_digit(s->text[s->at + 1]))
        return is_wrong(s, "a number does not begin with 0");
    if (!scan_digits(s))
        return false;
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    return s->at - start <= NUMBER_CHARS_MAX || is_wrong(s, "this number is too long");
}

/* The four digits at `at`; -1 when they are not four hexadecimal digits. */
static int hex4(const struct scan *s, size_t at)
{
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = i < s->bytes ? s->text[i] : '\0';
        if (is_digit(c))
            value = value * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* At the u of \uXXXX. */
static bool scan_unicode_escape(struct scan *s)
{
    int unit = hex4(s, s->at + 1);
    if (unit < 0)
        return is_wrong(s, "\\u takes four hexadecimal digits");
    if (unit == 0)
        return is_wrong(s, "\\u0000 is not accepted");
    s->at += 5;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    bool paired = unit < 0xdc00 && s->bytes - s->at >= 6 && s->text[s->at] == '\\' &&
                  s->text[s->at + 1] == 'u' && (hex4(s, s->at + 2) & ~0x3ff) == 0xdc00;
    if (!paired)
        return is_wrong(s, "half of a surrogate pair is no character");
    s->at += 6;
    return true;
}

static bool scan_string(struct scan *s)
{
    for (s->at++; s->at < s->bytes;) {
        char c = s->text[s->at];
        if (c == '"') {
            s->at++;
            return true;
        }
        if ((unsigned char)c < 0x20)
            return is_wrong(s, "a control character must be escaped in a string");
        s->at++;
        if (c != '\\')
            continue;
        c = peek(s);
        if (c == 'u') {
            if (!scan_unicode_escape(s))
                return false;
        } else if (c && strchr("\"\\/bfnrt", c)) {
            s->at++;
        } else {
            return is_wrong(s, "there is no such escape");
        }
    }
    return is_wrong(s, "the text ends within a string");
}

static void value_is_over(struct scan *s)
{
    s->expects = s->depth ? A_COMMA_OR_END : NOTHING;
}

static bool scan_open(struct scan *s, char bracket)
{
    if (s->depth == JSON_DEPTH_MAX)
        return is_wrong(s, "it is nested too deep here");
    s->open[s->depth++] = bracket;
    s->expects = bracket == '{' ? A_KEY_OR_END : A_VALUE_OR_END;
    s->at++;
    return true;
}

static bool scan_close(struct scan *s)
{
    s->depth--;
    s->at++;
    value_is_over(s);
    return true;
}

static bool at_close(const struct scan *s)
{
    return s->depth && peek(s) == (s->open[s->depth - 1] == '{' ? '}' : ']');
}

static bool scan_scalar(struct scan *s, char c)
{
    switch (c) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return c == '-' || is_digit(c) ? scan_number(s) : is_wrong(s, "a value is expected here");
    }
}

static bool scan_value(struct scan *s)
{
    char c = peek(s);
    if (c == '{' || c == '[')
        return scan_open(s, c);
    if (!scan_scalar(s, c))
        return false;
    value_is_over(s);
    return true;
}

static bool scan_key(struct scan *s)
{
    if (peek(s) != '"')
        return is_wrong(s, "a key in double quotes is expected here");
    s->expects = A_COLON;
    return scan_string(s);
}

static bool scan_colon(struct scan *s)
{
    if (peek(s) != ':')
        return is_wrong(s, "a colon is expected here");
    s->at++;
    s->expects = A_VALUE;
    return true;
}

static bool scan_comma(struct scan *s)
{
    bool in_object = s->open[s->depth - 1] == '{';
    if (peek(s) != ',')
        return is_wrong(s, in_object ? "a comma or \"}\" is expected here"
                                     : "a comma or \"]\" is expected here");
    s->at++;
    s->expects = in_object ? A_KEY : A_VALUE;
    return true;
}

static bool scan_nothing(struct scan *s)
{
    return is_wrong(s, "something follows the value");
}

static bool scan_token(struct scan *s)
{
    static bool (*const step[])(struct scan *) = {
        [A_VALUE] = scan_value,    [A_VALUE_OR_END] = scan_value, [A_KEY] = scan_key,
        [A_KEY_OR_END] = scan_key, [A_COLON] = scan_colon,        [A_COMMA_OR_END] = scan_comma,
        [NOTHING] = scan_nothing,
    };
    bool may_close =
        s->expects == A_VALUE_OR_END || s->expects == A_KEY_OR_END || s->expects == A_COMMA_OR_END;
    return may_close && at_close(s) ? scan_close(s) : step[s->expects](s);
}

static bool scan(struct scan *s)
{
    for (;;) {
        while (s->at < s->bytes && memchr(" \t\r\n", s->text[s->at], 4))
            s->at++;
        if (s->at == s->bytes)
            return s->expects == NOTHING || is_wrong(s, "the text ends too early");
        if (!scan_token(s))
            return false;
    }
}

static int fail_at(const struct scan *s, int fault, struct err *e)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < s->at && i < s->bytes; i++) {
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        } else if ((s->text[i] & 0xc0) != 0x80) {
            column++; /* characters, not bytes: that is what an editor shows */
        }
    }
    return err_set(e, -EINVAL, (enum fault)fault, "not valid JSON at line %d, column %d: %s", line,
                   column, s->wrong);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key that `object` holds twice, or NULL. By sorting: comparing each with
 * each would let 256 KiB of keys cost a second. */
static const char *duplicate_key(const cJSON *object)
{
    int count = cJSON_GetArraySize(object), filled = 0;
    own_free const char **keys = own_calloc((size_t)count, sizeof(*keys));
    for (const cJSON *child = object->child; child; child = child->next)
        keys[filled++] = child->string;
    qsort(keys, (size_t)count, sizeof(*keys), compare_keys);
    for (int i = 1; i < count; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    return NULL;
}

#define KEY_CHARS_SHOWN 48

/* A key for a sentence: it may hold whatever JSON can, a terminal's commands too. */
static const char *key_shown(const char *key, char ret[KEY_CHARS_SHOWN + 1])
{
    size_t n = 0;
    for (; key[n] && n < KEY_CHARS_SHOWN; n++)
        ret[n] = key[n] < 0x20 || key[n] > 0x7e ? '?' : key[n];
    ret[n] = '\0';
    return ret;
}

/* Recursion is bounded: the scanner let no more than JSON_DEPTH_MAX through. */
static int check_tree(const cJSON *node, enum fault fault, struct err *e)
{
    if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
        return err_set(e, -EINVAL, fault, "a number in the JSON is too large");
    const char *twice = cJSON_IsObject(node) ? duplicate_key(node) : NULL;
    char shown[KEY_CHARS_SHOWN + 1];
    if (twice)
        return err_set(e, -EINVAL, fault, "key \"%s\" is there twice in one JSON object",
                       key_shown(twice, shown));
    for (const cJSON *child = node->child; child; child = child->next) {
        int rc = check_tree(child, fault, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int json_parse(const char *text, size_t bytes, int fault, cJSON **ret, struct err *e)
{
    struct scan s = {.text = text, .bytes = bytes};
    s.at = utf8_end(text, bytes);
    if (s.at < bytes) {
        s.wrong = "this is not UTF-8";
        return fail_at(&s, fault, e);
    }
    s.at = 0;
    if (!scan(&s))
        return fail_at(&s, fault, e);

    own_json cJSON *tree = cJSON_ParseWithLength(text, bytes);
    if (!tree)
        return err_set(e, -EINVAL, (enum fault)fault, "JSON of %zu bytes could not be read", bytes);
    int rc = check_tree(tree, (enum fault)fault, e);
    if (rc < 0)
        return rc;
    *ret = steal_ptr(&tree);
    return 0;
}

const char *json_str(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value ? value : "";
}

double json_num(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

char *json_print(const cJSON *j)
{
    char *text = cJSON_PrintUnformatted(j);
    if (!text)
        abort(); /* only memory can be wanting: own.h */
    return text;
}

cJSON *json_add_int(cJSON *object, const char *key, int64_t value)
{
    if (value >= -PLAIN_INT_MAX && value <= PLAIN_INT_MAX)
        return cJSON_AddNumberToObject(object, key, (double)value);
    own_free char *digits = own_printf("%lld", (long long)value);
    return cJSON_AddRawToObject(object, key, digits);
}

/* Adds the character at `s` as it is written within a JSON string; returns
 * the bytes of `s` that it took. */
static size_t quote_one(struct buf *b, const char *s, size_t left)
{
    static const char specials[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *special = *s ? strchr(specials, *s) : NULL;
    if (special) {
        const char escape[2] = {'\\', letters[special - specials]};
        (void)buf_add(b, escape, 2); /* the caller looks at the whole */
        return 1;
    }
    if ((unsigned char)*s < 0x20 || *s == 0x7f) {
        (void)buf_printf(b, "\\u%04x", (unsigned)*s);
        return 1;
    }
    size_t length = utf8_length(s, left);
    if (length == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0) {
        (void)buf_printf(b, "\\u00%02x", (unsigned char)s[1]); /* a control of ISO 6429 */
        return 2;
    }
    (void)(length ? buf_add(b, s, length) : buf_add_str(b, "\xef\xbf\xbd"));
    return length ? length : 1;
}

int json_quote(struct buf *b, const char *s, size_t bytes)
{
    own_buf struct buf quoted = BUF_INIT(bytes * 6 + 2); /* \u00XX is the longest */
    (void)buf_add(&quoted, "\"", 1);
    for (size_t at = 0; at < bytes;)
        at += quote_one(&quoted, s + at, bytes - at);
    (void)buf_add(&quoted, "\"", 1);
    return buf_add(b, quoted.data, quoted.bytes);
}
