/* See guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "own.h"

/* ---- ranges ---- */

/* IANA, "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose
 * Address Registry". Of IPv6 only 2000::/3 has been given out at all (RFC 4291,
 * 2.4): what lies outside is refused even where no row names it. */
static const struct {
    const char *range, *what;
} refused[] = {
    {"0.0.0.0/8", "unspecified"},         /* RFC 791 */
    {"10.0.0.0/8", "private"},            /* RFC 1918 */
    {"100.64.0.0/10", "a carrier's own"}, /* RFC 6598; Alibaba's metadata */
    {"127.0.0.0/8", "loopback"},          /* RFC 1122 */
    {"169.254.169.254/32", "a metadata service"},
    {"169.254.0.0/16", "link-local"},         /* RFC 3927 */
    {"168.63.129.16/32", "a cloud's own"},    /* Azure's WireServer */
    {"172.16.0.0/12", "private"},             /* RFC 1918 */
    {"192.0.0.0/24", "reserved"},             /* RFC 6890; Oracle's metadata */
    {"192.0.2.0/24", "documentation"},        /* RFC 5737 */
    {"192.88.99.0/24", "a 6to4 relay"},       /* RFC 7526 */
    {"192.168.0.0/16", "private"},            /* RFC 1918 */
    {"198.18.0.0/15", "for benchmarks"},      /* RFC 2544 */
    {"198.51.100.0/24", "documentation"},     /* RFC 5737 */
    {"203.0.113.0/24", "documentation"},      /* RFC 5737 */
    {"224.0.0.0/4", "multicast"},             /* RFC 5771 */
    {"255.255.255.255/32", "broadcast"},      /* RFC 919 */
    {"240.0.0.0/4", "reserved"},              /* RFC 1112 */
    {"::/128", "unspecified"},                /* RFC 4291 */
    {"::1/128", "loopback"},                  /* RFC 4291 */
    {"::/96", "an IPv4 address in disguise"}, /* RFC 4291, 2.5.5.1 */
    {"64:ff9b:1::/48", "a local translator"}, /* RFC 8215 */
    {"100::/64", "discard-only"},             /* RFC 6666 */
    {"2001::/23", "reserved"},                /* RFC 2928: Teredo, ORCHID, benchmarks */
    {"2001:db8::/32", "documentation"},       /* RFC 3849 */
    {"2002::/16", "6to4"},                    /* RFC 3056, dead by RFC 7526 */
    {"3fff::/20", "documentation"},           /* RFC 9637 */
    {"fc00::/7", "private"},                  /* RFC 4193; fd00:ec2::254 is Amazon's metadata */
    {"fe80::/10", "link-local"},              /* RFC 4291 */
    {"fec0::/10", "private"},                 /* RFC 3879 */
    {"ff00::/8", "multicast"},                /* RFC 4291 */
};

static size_t family_bytes(int family)
{
    return family == AF_INET ? 4 : 16;
}

static bool parse_range(const char *text, size_t bytes, struct guard_range *ret)
{
    char address[INET6_ADDRSTRLEN + 1];
    const char *slash = memchr(text, '/', bytes);
    size_t n = slash ? (size_t)(slash - text) : bytes;
    if (n == 0 || n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    address[n] = 0;
    *ret = (struct guard_range){.family = memchr(address, ':', n) ? AF_INET6 : AF_INET};
    if (inet_pton(ret->family, address, ret->address) != 1)
        return false;
    int most = (int)family_bytes(ret->family) * 8;
    ret->bits = slash ? 0 : most;
    for (const char *c = slash ? slash + 1 : text + bytes; c < text + bytes; c++) {
        if (*c < '0' || *c > '9' || ret->bits > most)
            return false;
        ret->bits = ret->bits * 10 + (*c - '0');
    }
    return ret->bits <= most && (!slash || slash + 1 < text + bytes);
}

static bool within(const struct guard_range *r, int family, const unsigned char *address)
{
    int whole = r->bits / 8, rest = r->bits % 8;
    if (r->family != family || memcmp(r->address, address, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((r->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

int guard_init(struct guard *g, const char *allow, bool allow_http, struct err *e)
{
    *g = (struct guard){.allow_http = allow_http};
    for (const char *at = allow ? allow : ""; *(at += strspn(at, ", \t"));) {
        size_t n = strcspn(at, ", \t");
        if (g->allowed == GUARD_ALLOW_MAX)
            return err_set(e, -EINVAL, FAULT_HOST, "guard_allow: names more than %d ranges",
                           GUARD_ALLOW_MAX);
        if (!parse_range(at, n, &g->allow[g->allowed]))
            return err_set(e, -EINVAL, FAULT_HOST,
                           "guard_allow: \"%.*s\" is no range of addresses such as 10.1.0.0/16",
                           (int)(n < 60 ? n : 60), at);
        g->allowed++;
        at += n;
    }
    return 0;
}

/* An IPv4 address in an IPv6 one is what is really connected to: mapped (RFC
 * 4291, 2.5.5.2), or behind the translator of the well-known prefix (RFC 6052),
 * by which a machine without IPv4 reaches the public ones too. */
static const unsigned char *unwrap(const unsigned char *v6, int *ret_family)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    bool wrapped = memcmp(v6, mapped, 12) == 0 || memcmp(v6, nat64, 12) == 0;
    *ret_family = wrapped ? AF_INET : AF_INET6;
    return wrapped ? v6 + 12 : v6;
}

static const char *judge(int family, const unsigned char *address)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct guard_range r;
        if (parse_range(refused[i].range, strlen(refused[i].range), &r) &&
            within(&r, family, address))
            return refused[i].what;
    }
    return family == AF_INET6 && (address[0] & 0xe0) != 0x20 ? "reserved" : NULL;
}

const char *guard_check_address(const struct guard *g, const struct sockaddr *a)
{
    int family = a->sa_family;
    const unsigned char *address;
    if (family == AF_INET)
        address = (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
    else if (family == AF_INET6)
        address = unwrap(
            (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
            &family);
    else
        return "no internet address";
    for (size_t i = 0; i < g->allowed; i++)
        if (within(&g->allow[i], family, address))
            return NULL;
    return judge(family, address);
}

/* ---- URLs ---- */

static int refuse(struct err *e, const char *words)
{
    return err_set(e, -EPERM, FAULT_JOB, "%s", words);
}

/* By the rule of the URL standard ("ends in a number"): such a host is taken for
 * an IPv4 address, in whatever notation. We take the plain one. */
static bool looks_like_ipv4(const char *host, size_t bytes)
{
    size_t end = bytes > 0 && host[bytes - 1] == '.' ? bytes - 1 : bytes;
    size_t from = end;
    while (from > 0 && host[from - 1] != '.')
        from--;
    size_t n = end - from;
    if (n == 0)
        return false;
    if (n >= 2 && host[from] == '0' && (host[from + 1] | 32) == 'x')
        return strspn(host + from + 2, "0123456789abcdefABCDEF") >= n - 2;
    return strspn(host + from, "0123456789") >= n;
}

static bool is_address(int family, const char *text, size_t bytes)
{
    char copy[INET6_ADDRSTRLEN + 1];
    unsigned char address[16];
    if (bytes == 0 || bytes >= sizeof(copy))
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return inet_pton(family, copy, address) == 1;
}

static int check_name(const char *host, size_t bytes, struct err *e)
{
    if (bytes == 0)
        return refuse(e, "names no host");
    if (bytes > 253)
        return refuse(e, "names a host of more than 253 bytes");
    size_t label = 0;
    for (size_t i = 0; i < bytes; i++) {
        bool alnum =
            (host[i] >= '0' && host[i] <= '9') || ((host[i] | 32) >= 'a' && (host[i] | 32) <= 'z');
        if (host[i] == '.' && label == 0)
            return refuse(e, "names a host with an empty label");
        if (!alnum && !strchr("._-", host[i]))
            return refuse(e, "names a host with other characters than a-z 0-9 . - (a name in "
                             "another script is written in Punycode)");
        label = host[i] == '.' ? 0 : label + 1;
    }
    if (looks_like_ipv4(host, bytes) && !is_address(AF_INET, host, bytes))
        return refuse(e, "names an IPv4 address in an odd notation: four decimal numbers and three "
                         "dots are understood");
    return 0;
}

static int check_port(const char *port, size_t bytes, struct err *e)
{
    long n = 0;
    for (size_t i = 0; i < bytes && n >= 0; i++)
        n = port[i] >= '0' && port[i] <= '9' && n < 100000 ? n * 10 + (port[i] - '0') : -1;
    return n >= 1 && n <= 65535 ? 0 : refuse(e, "names a port outside of 1 to 65535");
}

static int check_authority(const char *at, size_t bytes, struct err *e)
{
    if (memchr(at, '@', bytes))
        return refuse(e, "must not hold a user's name or password");
    size_t host = 0;
    if (bytes > 0 && at[0] == '[') {
        const char *close = memchr(at, ']', bytes);
        if (!close || !is_address(AF_INET6, at + 1, (size_t)(close - at - 1)))
            return refuse(e, "names something in brackets that is no IPv6 address (zones are not "
                             "allowed)");
        host = (size_t)(close - at) + 1;
        if (host < bytes && at[host] != ':')
            return refuse(e, "has something behind its IPv6 address");
    } else {
        const char *colon = memchr(at, ':', bytes);
        host = colon ? (size_t)(colon - at) : bytes;
        int rc = check_name(at, host, e);
        if (rc < 0)
            return rc;
    }
    return host < bytes ? check_port(at + host + 1, bytes - host - 1, e) : 0;
}

int guard_check_url(const char *url, bool allow_http, struct err *e)
{
    size_t bytes = strnlen(url, GUARD_URL_MAX_BYTES + 1);
    if (bytes > GUARD_URL_MAX_BYTES)
        return refuse(e, "is a URL of more than 2048 bytes");
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)url[i] <= 0x20 || (unsigned char)url[i] >= 0x7f || url[i] == '\\')
            return refuse(e, "holds a blank, a backslash or a character outside of ASCII");
    size_t scheme = strncasecmp(url, "https://", 8) == 0  ? 8
                    : strncasecmp(url, "http://", 7) == 0 ? 7
                                                          : 0;
    if (scheme == 7 && !allow_http)
        return refuse(e, "must begin with https:// (http:// is allowed by the option allow_http)");
    if (scheme == 0)
        return refuse(e, allow_http ? "must begin with https:// or http://"
                                    : "must begin with https://");
    return check_authority(url + scheme, strcspn(url + scheme, "/?#"), e);
}
