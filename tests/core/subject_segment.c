/* subject_segment.c: processes that make and find entries of a segment, and that take stripes over.
 *
 * A thread stands for a process. A call has a key, a pid or an amount in its field a. Entries get the numbers
 * 1, 2, ... in the order in which they were published. Stripe 1 belonged to a process that died when its part
 * of the gauge was STALE. */
#define AX_SHARED_MEMORY
#include "ax_segment.h"
#include "subject.h"

#include <string.h>

/* The last two are broken on purpose. */
enum { MAKE = FIRST_KIND, FIND, CLAIM, PUT, SUM, MAKE_RASHLY, CLAIM_RASHLY, MADE };

static const char *const kinds[] = {"end", "load", "make",        "find",         "claim",
                                    "put", "sum",  "make rashly", "claim rashly", "make (made)"};

enum { CAPACITY = 6, PROCESSES = 2, STALE = 5, DEAD = 9, BYTES = 1 << 17 };

static _Alignas(AX_SEGMENT_LINE) unsigned char memory[BYTES];
static ax_segment segment;
static ax_entry gauge;
static ax_word spare[EXPLORER_THREADS];
static uint64_t stripe_of[EXPLORER_THREADS];
static int before; /* the number of the last entry that existed at the start */

static ax_wanted wanted(ax_kind kind, const unsigned char *key)
{
    return (ax_wanted){.key = key, .key_bytes = 1, .words = 1, .kind = (uint16_t)kind};
}

static bool lives(void *context, uint64_t stripe, uint64_t owner)
{
    (void)context;
    (void)stripe;
    return ax_owner_pid(owner) != DEAD && ax_owner_pid(owner) != 0;
}

static void reset(const Script *script)
{
    (void)script;
    memset(memory, 0, sizeof memory);
    memset(spare, 0, sizeof spare);
    memset(stripe_of, 0, sizeof stripe_of);
    explorer_require(ax_segment_plan(&segment, CAPACITY, PROCESSES) && segment.size <= sizeof memory,
                     "no plan");
    segment.memory = memory;
    segment.id[0] = 1;
    ax_segment_write_root(memory + segment.heap);
    ax_wanted one = wanted(AX_KIND_GAUGE, (const unsigned char *)"g");
    explorer_require(ax_segment_make(&segment, &one, &spare[0], &gauge) == AX_SEGMENT_MADE, "no gauge");
    before = (int)gauge.number;
    const ax_process dead = {.pid = DEAD, .namespace = 1};
    explorer_require(ax_segment_claim(&segment, &dead, lives, NULL) == 1, "the dead process had no stripe");
    ax_word_store(ax_segment_stripe_word(&segment, 1, gauge.first_word), STALE);
    explorer_name(ax_segment_owner(&segment, 1), "owner 1");
    explorer_name(ax_segment_owner(&segment, 2), "owner 2");
}

/* Publishes without looking whether another process made the entry: with a hint of its own, and no index. */
static ax_segment_status make_rashly(const ax_wanted *one, ax_word *kept, ax_entry *entry)
{
    ax_segment_status status = ax_segment_find(&segment, one, entry);
    if (status != AX_SEGMENT_MISSING) {
        return status;
    }
    ax_segment hidden = segment; /* whose keys have other hashes */
    hidden.id[0] = 2 + (uint64_t)explorer_thread();
    return ax_segment_make(&hidden, one, kept, entry);
}

/* Becomes the owner without zeroing the gauges. */
static uint64_t claim_rashly(uint64_t pid)
{
    uint64_t owner = ax_word_load(ax_segment_owner(&segment, 1));
    uint64_t mine = (ax_owner_generation(owner) + 2) << 44 | UINT64_C(1) << 22 | pid;
    return ax_word_compare_exchange(ax_segment_owner(&segment, 1), &owner, mine) ? 1 : 0;
}

static void perform(const Call *call)
{
    Outcome outcome = {.ok = true};
    int me = explorer_thread(), id = subject_begin(call);
    unsigned char key = (unsigned char)('a' + call->a);
    ax_wanted one = wanted(AX_KIND_COUNTER, &key);
    const ax_process process = {.pid = (uint32_t)call->a, .namespace = 1};
    ax_entry entry = {0};
    ax_segment_status status = AX_SEGMENT_FOUND;
    switch (call->kind) {
    case MAKE:
        status = ax_segment_make(&segment, &one, &spare[me], &entry);
        break;
    case MAKE_RASHLY:
        status = make_rashly(&one, &spare[me], &entry);
        break;
    case FIND:
        status = ax_segment_find(&segment, &one, &entry);
        outcome.ok = status == AX_SEGMENT_FOUND;
        break;
    case CLAIM:
        stripe_of[me] = ax_segment_claim(&segment, &process, lives, NULL);
        outcome.ok = stripe_of[me] != 0;
        break;
    case CLAIM_RASHLY:
        stripe_of[me] = claim_rashly((uint64_t)call->a);
        break;
    case PUT:
        ax_word_store(ax_segment_stripe_word(&segment, stripe_of[me], gauge.first_word), (uint64_t)call->a);
        break;
    default:
        outcome.value = (int64_t)ax_segment_sum_living(&segment, gauge.first_word, lives, NULL).low;
    }
    explorer_require(status != AX_SEGMENT_DAMAGED && status != AX_SEGMENT_FULL, "a sound segment is refused");
    if (entry.number != 0 && outcome.ok) {
        outcome.value = (int64_t)entry.number - before;
    }
    if (status == AX_SEGMENT_MADE) {
        subject_call(id)->kind = MADE;
    }
    subject_end(id, outcome);
}

/* The state of entries: four bits per entry, its key + 1, the first in the lowest bits. That of a gauge,
 * above them: its sum, and how many stripes are taken. */
#define SUMS(state) ((state) >> 32 & 0xff)
#define TAKEN(state) ((state) >> 40 & 0xff)

static int64_t number_of(int64_t state, int64_t key)
{
    for (int64_t number = 1; (state & 0xffffff) != 0; number++, state = (state & 0xffffff) >> 4) {
        if ((state & 15) == key + 1) {
            return number;
        }
    }
    return 0;
}

static Outcome model(int64_t *state, const Call *call)
{
    int64_t number = number_of(*state, call->a);
    switch (call->kind) {
    case MADE:
        if (number != 0) {
            return (Outcome){.ok = false};
        }
        number = 1;
        while ((*state >> 4 * (number - 1) & 15) != 0) {
            number++;
        }
        *state |= (call->a + 1) << 4 * (number - 1);
        return (Outcome){.ok = true, .value = number};
    case MAKE:
    case MAKE_RASHLY:
    case FIND:
        return (Outcome){.ok = number != 0, .value = number};
    case CLAIM:
    case CLAIM_RASHLY:
        if (TAKEN(*state) == PROCESSES) {
            return (Outcome){.ok = false};
        }
        *state += INT64_C(1) << 40;
        return (Outcome){.ok = true};
    case PUT:
        *state += call->a << 32; /* each process puts once */
        return (Outcome){.ok = true};
    default:
        return (Outcome){.ok = true, .value = SUMS(*state)};
    }
}

static int64_t state_now(void)
{
    int64_t state = 0, taken = 0;
    ax_entry entry;
    ax_segment_status status = ax_segment_root(&segment, &entry);
    for (uint32_t word = entry.low_used; status == AX_SEGMENT_FOUND; word = entry.low_used) {
        status = ax_segment_next(&segment, &entry, &entry);
        if (status == AX_SEGMENT_FOUND && (int)entry.number > before) {
            explorer_require(entry.first_word == word, "two entries have words in common");
            state |= (int64_t)(*ax_entry_key(&segment, &entry) - 'a' + 1)
                     << 4 * ((int)entry.number - before - 1);
        }
    }
    explorer_require(status == AX_SEGMENT_MISSING, "the chain is damaged");
    for (uint64_t stripe = 1; stripe <= PROCESSES; stripe++) {
        uint64_t owner = ax_word_load(ax_segment_owner(&segment, stripe));
        explorer_require(owner == 0 || ax_owner_is_settled(owner), "a stripe has no settled owner");
        taken += owner != 0 && lives(NULL, stripe, owner);
    }
    int64_t sum = (int64_t)ax_segment_sum_living(&segment, gauge.first_word, lives, NULL).low;
    return state | sum << 32 | taken << 40;
}

static void finish(const Script *script)
{
    (void)script;
    for (int one = 0; one < EXPLORER_THREADS; one++) {
        for (int other = 0; other < one; other++) {
            explorer_require(stripe_of[one] == 0 || stripe_of[one] != stripe_of[other], "two own one stripe");
        }
    }
    subject_linearizable(&segment_subject, 0, state_now());
}

#define MAKES(key) {MAKE, key, 0}
#define FINDS(key) {FIND, key, 0}

static const Script scripts[] = {
    {"one entry is made by two", {{MAKES(0)}, {MAKES(0)}}, .preemptions = 2},
    {"two entries are made at once", {{MAKES(0), FINDS(1)}, {MAKES(1), FINDS(0)}}, .preemptions = 2},
    {"an entry is found while it is made", {{MAKES(0), MAKES(1)}, {FINDS(0), FINDS(1)}}, .preemptions = 2},
    {"three make the same entry", {{MAKES(0)}, {MAKES(0)}, {MAKES(0)}}, .preemptions = 1},
    {"two take over the stripe of the dead", {{{CLAIM, 1, 0}}, {{CLAIM, 2, 0}}}},
    {"three want two stripes", {{{CLAIM, 1, 0}}, {{CLAIM, 2, 0}}, {{CLAIM, 3, 0}}}, .preemptions = 3},
    {"a gauge is read while its stripe is taken over", {{{CLAIM, 1, 0}, {PUT, 3, 0}}, {{SUM}, {SUM}}}},
    {"a gauge of two that take stripes over",
     {{{CLAIM, 1, 0}, {PUT, 3, 0}}, {{CLAIM, 2, 0}}, {{SUM}}},
     .preemptions = 2},
    {"control: makes without a second look",
     {{{MAKE_RASHLY, 0, 0}}, {{MAKE_RASHLY, 0, 0}}},
     .preemptions = 2,
     .fails = "no order of the calls"},
    {"control: takes over without zeroing",
     {{{CLAIM_RASHLY, 1, 0}}, {{SUM}}},
     .fails = "no order of the calls"},
};

const Subject segment_subject = {
    .name = "segment",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
