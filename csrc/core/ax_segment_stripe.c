/* ax_segment_stripe.c: the stripes of a segment, and their owners. See ax_segment.h. */
#define AX_SHARED_MEMORY
#include "ax_segment.h"

/* Offsets in an owner's record, all atomic. The other three are written while the first one is odd. */
enum { AT_OWNER = 0, AT_STARTED = 8, AT_BOOT = 16, AT_STAMP = 24 };

#define GENERATIONS (UINT64_C(1) << 20)

static uint64_t owner_word(uint64_t generation, const ax_process *process)
{
    return (generation & (GENERATIONS - 1)) << 44 | (uint64_t)(process->namespace & 0x3fffff) << 22 |
           (process->pid & 0x3fffff);
}

AX_INLINE ax_word *record(const ax_segment *segment, uint64_t stripe, uint64_t at)
{
    return ax_segment_word(segment, segment->owners + stripe * AX_SEGMENT_LINE + at);
}

ax_process ax_segment_owner_process(const ax_segment *segment, uint64_t stripe, uint64_t owner)
{
    ax_process process = {.pid = ax_owner_pid(owner), .namespace = ax_owner_namespace(owner)};
    /* The stamp is the odd word under which the fields were written: those of an older owner do not count. */
    uint64_t stamp = ax_word_load(record(segment, stripe, AT_STAMP));
    uint64_t odd = ax_owner_is_settled(owner) ? owner_word(ax_owner_generation(owner) - 1, &process) : owner;
    if (stamp == odd) {
        process.started = ax_word_load(record(segment, stripe, AT_STARTED));
        process.boot = ax_word_load(record(segment, stripe, AT_BOOT));
        if (ax_word_load(record(segment, stripe, AT_STAMP)) != stamp) {
            process.started = process.boot = 0;
        }
    }
    return process;
}

/* Zeroes the gauges of a stripe that this process has just made odd. A gauge made later has zeros, because
 * the previous owner was already dead. */
static void gauges_clear(const ax_segment *segment, uint64_t stripe)
{
    ax_entry last;
    uint64_t used = ax_segment_last(segment, &last) == AX_SEGMENT_FOUND ? last.high_used : 0;
    for (uint64_t word = segment->words - used; word < segment->words; word++) {
        ax_word_store(ax_segment_stripe_word(segment, stripe, word), 0);
    }
}

/* Takes over a stripe whose owner is dead, or that has no owner. */
static bool stripe_take(const ax_segment *segment, uint64_t stripe, uint64_t found, const ax_process *me)
{
    uint64_t generation = (ax_owner_generation(found) | 1) + (ax_owner_is_settled(found) ? 0 : 2);
    uint64_t odd = owner_word(found == 0 ? 1 : generation, me);
    if (!ax_word_compare_exchange(record(segment, stripe, AT_OWNER), &found, odd)) {
        return false;
    }
    ax_word_store(record(segment, stripe, AT_STAMP), 0);
    ax_word_store(record(segment, stripe, AT_STARTED), me->started);
    ax_word_store(record(segment, stripe, AT_BOOT), me->boot);
    ax_word_store(record(segment, stripe, AT_STAMP), odd);
    gauges_clear(segment, stripe);
    /* This fails if another process took this one for dead; then it looks for another stripe. */
    return ax_word_compare_exchange(record(segment, stripe, AT_OWNER), &odd,
                                    owner_word(ax_owner_generation(odd) + 1, me));
}

uint64_t ax_segment_claim(const ax_segment *segment, const ax_process *me, ax_segment_is_alive is_alive,
                          void *context)
{
    for (uint64_t stripe = 1; stripe <= segment->processes; stripe++) {
        uint64_t owner = ax_word_load(record(segment, stripe, AT_OWNER));
        if ((owner == 0 || !is_alive(context, stripe, owner)) && stripe_take(segment, stripe, owner, me)) {
            return stripe;
        }
    }
    return 0;
}

void ax_segment_disclaim(const ax_segment *segment, uint64_t stripe, const ax_process *me)
{
    uint64_t owner = ax_word_load(record(segment, stripe, AT_OWNER));
    uint64_t mine = owner_word(ax_owner_generation(owner), me);
    if (owner == mine) {
        /* A pid that no process has: every reader sees a dead owner. */
        const ax_process nobody = {.pid = 0, .namespace = me->namespace};
        (void)ax_word_compare_exchange(record(segment, stripe, AT_OWNER), &owner,
                                       owner_word(ax_owner_generation(owner), &nobody));
    }
}

ax_sum ax_segment_sum(const ax_segment *segment, uint64_t word)
{
    ax_sum sum = {0, 0};
    const ax_word *at = ax_segment_stripe_word(segment, 0, word);
    for (uint64_t stripe = 0; stripe <= segment->processes; stripe++) {
        ax_sum_add(&sum, ax_int_load(at));
        at += segment->stripe_bytes / sizeof *at;
    }
    return sum;
}

double ax_segment_sum_doubles(const ax_segment *segment, uint64_t word)
{
    double sum = 0.0;
    const ax_word *common = ax_segment_stripe_word(segment, 0, word), *at = common;
    for (uint64_t stripe = 1; stripe <= segment->processes; stripe++) {
        at += segment->stripe_bytes / sizeof *at;
        sum += ax_float_load(at);
    }
    return sum + ax_float_load(common); /* the last, so that it can cancel the others exactly */
}

void ax_part_store(ax_word *run, double value, double time)
{
    ax_float_store(run, value);
    ax_word_store(run + 1, ax_part_time_bits(time));
}

void ax_part_begin(ax_word *run)
{
    uint64_t none = 0;
    (void)ax_word_compare_exchange(run + 1, &none, ax_part_time_bits(0.0));
}

bool ax_segment_part(const ax_segment *segment, uint64_t stripe, uint64_t owner, uint64_t word, ax_part *part)
{
    const ax_word *run = ax_segment_stripe_word(segment, stripe, word);
    uint64_t time = ax_word_load(run + 1);
    part->value = ax_float_load(run);            /* after the time: see ax_part_store */
    part->time = ax_float_from_bits(time) + 0.0; /* 0.0 in place of a negative zero */
    return time != 0 && ax_word_load(record(segment, stripe, AT_OWNER)) == owner;
}

/* The share of a living owner; 0 while the stripe changes hands. */
static int64_t living_part(const ax_segment *segment, uint64_t stripe, uint64_t word,
                           ax_segment_is_alive is_alive, void *context)
{
    enum { MOST_TRIES = 8 }; /* only a hostile file changes hands this often in a moment */
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        uint64_t owner = ax_word_load(record(segment, stripe, AT_OWNER));
        int64_t part = ax_int_load(ax_segment_stripe_word(segment, stripe, word));
        if (part == 0 || !ax_owner_is_settled(owner) || !is_alive(context, stripe, owner)) {
            return 0;
        }
        if (ax_word_load(record(segment, stripe, AT_OWNER)) == owner) {
            return part;
        }
    }
    return 0;
}

ax_sum ax_segment_sum_living(const ax_segment *segment, uint64_t word, ax_segment_is_alive is_alive,
                             void *context)
{
    ax_sum sum = {0, 0};
    ax_sum_add(&sum, ax_int_load(ax_segment_stripe_word(segment, 0, word)));
    for (uint64_t stripe = 1; stripe <= segment->processes; stripe++) {
        ax_sum_add(&sum, living_part(segment, stripe, word, is_alive, context));
    }
    return sum;
}
