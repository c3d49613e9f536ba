/* Which uids the boxes of this worker have.
 *
 * Three a slot, of a range that is nobody's: RLIMIT_NPROC counts a uid's tasks on
 * the whole host, so two workers in two containers with the same range would
 * take processes from each other (sandbox.md §2). Hence at random, high. */
#include "box.h"

#include "../base/own.h"
#include "sweep.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#define UIDS_PER_SLOT 3
#define SLOTS_MAX 64 /* option.def: slots */
#define RANGE (UIDS_PER_SLOT * SLOTS_MAX)
#define BASE_LOW (1LL << 30)
#define BASE_HIGH (1LL << 31)
/* Below it distributions number their users. */
#define USERS_END 2000LL
#define TRIES 16

struct box_uids box_uids_for_slot(uid_t base, int slot)
{
    if (geteuid() != 0)
        return (struct box_uids){0};
    if (base == 0)
        base = box_random_uid_base();
    uid_t first = base + (uid_t)(UIDS_PER_SLOT * slot);
    return (struct box_uids){.scene = first, .encoder = first + 1, .fetch = first + 2};
}

static int64_t random_below(int64_t bound)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint64_t)getpid() * 2654435761u; /* spread is all it is for */
    return (int64_t)(bits % (uint64_t)bound);
}

/* In a user namespace only some uids exist: the widest range of its map, or of
 * it the part that nobody uses. */
static void find_room(int64_t *ret_low, int64_t *ret_high)
{
    *ret_low = BASE_LOW;
    *ret_high = BASE_HIGH;
    own_file FILE *map = fopen("/proc/self/uid_map", "re");
    long long inside, outside, count;
    int64_t low = 0, high = 0;
    while (map && fscanf(map, "%lld %lld %lld", &inside, &outside, &count) == 3) {
        if (count > high - low) {
            low = inside;
            high = inside + count;
        }
    }
    if (high - low < RANGE || (low <= BASE_LOW && high >= BASE_HIGH))
        return; /* the usual case, or none that would do */
    *ret_high = high;
    *ret_low = low > USERS_END ? low : USERS_END;
    if (*ret_high - *ret_low < RANGE)
        *ret_low = high - RANGE;
}

static bool in_use(uid_t base)
{
    for (uid_t uid = base; uid < base + RANGE; uid++) {
        if (uid == getuid())
            return true;
    }
    return sweep_any_between(base, base + RANGE);
}

uid_t box_random_uid_base(void)
{
    int64_t low, high;
    find_room(&low, &high);
    int64_t places = (high - low) / RANGE;
    uid_t base = (uid_t)low;
    for (int i = 0; i < TRIES; i++) {
        base = (uid_t)(low + random_below(places) * RANGE);
        if (!in_use(base))
            break;
    }
    return base;
}
