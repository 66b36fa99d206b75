/* subject_counter.c: scripts for ax_counter.h and ax_counter.c.
 *
 * A striped sum is not linearizable, and is not checked for that. After each step the true total is computed
 * from the cells. For each call in progress, ghost memory keeps the least and the greatest total since the
 * call started, and by how much the call itself changed it. From that,
 *
 *   - only a drain's step makes the total smaller, and only an addition's makes it greater: nothing wraps;
 *   - an addition that succeeded added exactly its count, once; one that overflowed added nothing, and
 *     at some moment of the call there was no room for it;
 *   - a load returned a value between the least and the greatest total during the call. Without drains that
 *     is between the totals at its start and at its end;
 *   - a drain took away exactly what it returned: each count is in one drain, or in the total at the end.
 */
#include "ax_counter.h"

#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "subject.h"

enum { ADD = FIRST_KIND, DRAIN, DRAIN_WITHOUT_MEMORY, SPLIT_ADD, SPLIT_DRAIN /* broken on purpose */ };

static const char *const kinds[] = {"end",       "load",       "add", "drain", "drain without memory",
                                    "split add", "split drain"};

enum { CALLS = EXPLORER_THREADS * EXPLORER_CALLS, OVERFLOWED = -1 };

#define HIGH INT64_MAX

static ax_counter counter;

static struct {
    int64_t total;
    int64_t least[CALLS], greatest[CALLS], change[CALLS];
} ghost;

/* Adds as the binding does. Returns 0, or OVERFLOWED. */
static int64_t add(int64_t count, uint64_t thread)
{
    ax_addition addition = ax_counter_try_add(&counter, (uint64_t)count);
    if (addition == AX_CONTENDED) {
        addition = ax_counter_add_striped(&counter, (uint64_t)count, thread, &memory_system);
    }
    if (addition == AX_CONTENDED) {
        explorer_fail("add_striped answered AX_CONTENDED");
    }
    return addition == AX_OVERFLOW ? OVERFLOWED : 0;
}

static int64_t total(void)
{
    uint64_t sum = counter.first.bits + counter.last.bits - counter.base.bits;
    const ax_stripes *stripes = counter.stripes.address;
    for (size_t i = 0; stripes != NULL && i < stripes->count; i++) {
        sum += ax_stripe_at(stripes, i)->bits;
    }
    return (int64_t)(sum & AX_COUNT_MASK);
}

static void name_words(void)
{
    explorer_name(&counter.first, "first");
    explorer_name(&counter.base, "base");
    explorer_name(&counter.stripes, "stripes");
    explorer_name(&counter.last, "last");
}

/* Prepares what the caller would hand out. */
static bool keep_count(void *answer, int64_t drained)
{
    *(int64_t *)answer = drained;
    return true;
}

static bool no_memory(void *answer, int64_t drained)
{
    (void)answer;
    (void)drained;
    return false;
}

static int64_t drain(void)
{
    int64_t drained = 0;
    explorer_require(ax_counter_drain(&counter, keep_count, &drained), "a drain did nothing");
    return drained;
}

static void reset(const Script *script)
{
    memory_reset(script->blocks, script->stripes);
    memset(&ghost, 0, sizeof ghost);
    name_words();
    ax_counter_init(&counter);
    if (script->drained != 0) {
        (void)ax_counter_try_add(&counter, (uint64_t)script->drained);
        (void)drain();
    }
    if (script->stage == LAST) {
        /* More than any stripe accepts. */
        (void)ax_counter_add_striped(&counter, AX_STRIPE_LIMIT + 1, 0, &memory_system);
        (void)drain();
        if (counter.last.bits == 0) {
            explorer_fail("the script did not get to the last stage");
        }
    }
    if (script->initial != 0) {
        (void)add(script->initial, 0);
    }
    if (script->stage == STRIPED) {
        (void)ax_counter_add_striped(&counter, 0, 0, &memory_system);
    }
    if ((counter.first.bits & AX_SEAL) != 0 && script->stage == FIRST) {
        explorer_fail("the script did not stay in the first stage");
    }
    ghost.total = total();
    if (ghost.total != script->initial) {
        explorer_fail("the script starts at a wrong total");
    }
}

/* Broken on purpose: a load and a store instead of a compare-and-swap. */
static int64_t broken(const Call *call)
{
    if (call->kind == SPLIT_ADD) {
        uint64_t value = ax_word_load(&counter.first);
        ax_word_store(&counter.first, value + (uint64_t)call->a);
        return 0;
    }
    int64_t value = ax_counter_load(&counter);
    ax_word_store(&counter.base, ax_word_load(&counter.base) + (uint64_t)value);
    return value;
}

static void perform(const Call *call)
{
    int id = subject_begin(call);
    int64_t value;
    switch (call->kind) {
    case ADD:
        value = add(call->a, (uint64_t)explorer_thread());
        break;
    case LOAD:
        value = ax_counter_load(&counter);
        break;
    case DRAIN:
        value = drain();
        break;
    case DRAIN_WITHOUT_MEMORY:
        value = ax_counter_drain(&counter, no_memory, NULL);
        break;
    default:
        value = broken(call);
    }
    subject_end(id, (Outcome){.ok = value != OVERFLOWED, .value = value});
}

static void widen(int call)
{
    if (call >= 0) {
        ghost.least[call] = ghost.total < ghost.least[call] ? ghost.total : ghost.least[call];
        ghost.greatest[call] = ghost.total > ghost.greatest[call] ? ghost.total : ghost.greatest[call];
    }
}

static void invoked(int call)
{
    ghost.least[call] = ghost.greatest[call] = ghost.total;
}

static void stepped(int call)
{
    int64_t now = total(), change = now - ghost.total;
    ghost.total = now;
    if (change != 0) {
        bool drains = subject_call(call)->kind == DRAIN || subject_call(call)->kind == SPLIT_DRAIN;
        if (drains != (change < 0)) {
            explorer_fail("%s changed the total by %" PRId64 ", to %" PRId64, kinds[subject_call(call)->kind],
                          change, now);
        }
        ghost.change[call] += change;
    }
    widen(call);
    for (int thread = 0; thread < EXPLORER_THREADS; thread++) {
        widen(explorer_call_of(thread));
    }
}

static void check(int call)
{
    int kind = subject_call(call)->kind;
    int64_t value = subject_outcome(call).value, count = subject_call(call)->a, change = ghost.change[call];
    int64_t least = ghost.least[call], greatest = ghost.greatest[call];
    if (kind == LOAD) {
        explorer_require(value >= least && value <= greatest && change == 0,
                         "a load returned %" PRId64 "; the total was between %" PRId64 " and %" PRId64, value,
                         least, greatest);
    } else if (kind == DRAIN || kind == DRAIN_WITHOUT_MEMORY || kind == SPLIT_DRAIN) {
        explorer_require(change == -value, "a drain returned %" PRId64 " and took %" PRId64, value, -change);
    } else if (value == OVERFLOWED) {
        explorer_require(change == 0, "an addition that overflowed added %" PRId64, change);
        explorer_require(count > HIGH - greatest,
                         "an addition of %" PRId64 " was refused where the total was %" PRId64 " at most",
                         count, greatest);
    } else {
        explorer_require(change == count, "an addition of %" PRId64 " added %" PRId64, count, change);
    }
}

static void finish(const Script *script)
{
    int64_t sum = script->initial;
    for (int call = 0; call < CALLS; call++) {
        if (explorer_returned() >> call & 1) {
            check(call);
            sum += ghost.change[call];
        }
    }
    explorer_require(ax_counter_load(&counter) == sum, "the last load is not the sum of what happened");
    ax_counter_free(&counter, &memory_system);
    explorer_require(memory_in_use() == 0, "%d blocks were not freed", memory_in_use());
}

#define HALF (INT64_C(1) << 62)
#define FULL (INT64_C(1) << 56) /* what a stripe holds */

static const Script scripts[] = {
    {"additions meet for the first time", {{{ADD, 1}}, {{ADD, 2}}}, .stripes = 2, .blocks = 4},
    {"additions meet, and again", {{{ADD, 1}, {ADD, 4}}, {{ADD, 2}, {ADD, 8}}}, .stripes = 2, .blocks = 4},
    {"three additions meet", {{{ADD, 1}}, {{ADD, 2}}, {{ADD, 4}}}, .stripes = 2, .blocks = 4},
    {"additions meet without memory",
     {{{ADD, 1}, {ADD, 4}}, {{ADD, 2}}, {{LOAD}}},
     .stripes = 2,
     .blocks = 0},
    {"two stripings race for the last block",
     {{{ADD, 1}}, {{ADD, 2}}, {{ADD, 4}}},
     .stripes = 1,
     .blocks = 1},
    {"a load while additions meet", {{{ADD, 1}}, {{ADD, 2}}, {{LOAD}}}, .stripes = 2, .blocks = 4},
    {"a drain while additions meet", {{{ADD, 1}}, {{ADD, 2}}, {{DRAIN}}}, .stripes = 2, .blocks = 4},
    {"loads of stripes",
     {{{ADD, 1}, {ADD, 2}}, {{ADD, 4}}, {{LOAD}, {LOAD}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"drains of stripes",
     {{{ADD, 1}, {ADD, 2}}, {{ADD, 4}}, {{DRAIN}, {DRAIN}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"two drains of stripes",
     {{{ADD, 1}}, {{DRAIN}}, {{DRAIN}}},
     .initial = 3,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"a drain whose answer cannot be prepared",
     {{{ADD, 1}}, {{DRAIN_WITHOUT_MEMORY}, {LOAD}}, {{DRAIN}}},
     .initial = 3,
     .stripes = 2,
     .blocks = 0},
    {"a load while stripes are drained",
     {{{ADD, 1}, {ADD, 2}}, {{DRAIN}}, {{LOAD}}},
     .initial = 5,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"a load while the first cell is drained",
     {{{ADD, 1}, {ADD, 2}}, {{DRAIN}, {DRAIN}}, {{LOAD}}},
     .initial = 5,
     .stripes = 2,
     .blocks = 0},
    {"a stripe fills up", {{{ADD, FULL}}, {{ADD, FULL}}}, .stage = STRIPED, .stripes = 1, .blocks = 4},
    {"a stripe fills up while another counts",
     {{{ADD, FULL + 1}}, {{ADD, 1}, {ADD, 2}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"two leave the stripes at once",
     {{{ADD, FULL + 1}}, {{ADD, FULL + 2}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"a load while the stripes are left",
     {{{ADD, FULL + 1}}, {{ADD, 1}}, {{LOAD}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"a drain while the stripes are left",
     {{{ADD, FULL + 1}}, {{ADD, 1}}, {{DRAIN}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"the last room in the first stage",
     {{{ADD, 1}, {ADD, 1}}, {{ADD, 1}}, {{ADD, 1}}},
     .initial = HIGH - 2,
     .stripes = 2,
     .blocks = 4},
    {"the last room in the first stage, drained meanwhile",
     {{{ADD, 2}}, {{ADD, 1}}, {{DRAIN}}},
     .initial = HIGH - 1,
     .stripes = 2,
     .blocks = 4},
    {"a refusal needs a fresh cell",
     {{{ADD, 3}}, {{ADD, 1}, {DRAIN}}},
     .initial = 5,
     .stripes = 2,
     .blocks = 4},
    {"no room for striping",
     {{{ADD, HIGH / 2}}, {{ADD, HIGH / 2}}, {{ADD, 5}}},
     .initial = HIGH / 4,
     .stripes = 1,
     .blocks = 4},
    {"the last room in the last stage",
     {{{ADD, 1}, {ADD, 1}}, {{ADD, 1}}},
     .initial = HIGH - 1,
     .stage = LAST,
     .stripes = 2,
     .blocks = 4},
    {"the last room in the last stage, drained meanwhile",
     {{{ADD, 2}}, {{ADD, 1}}, {{DRAIN}}},
     .initial = HIGH - 1,
     .stage = LAST,
     .stripes = 1,
     .blocks = 4},
    {"a refusal in the last stage needs a fresh cell",
     {{{ADD, 3}}, {{ADD, 1}, {DRAIN}}},
     .initial = 5,
     .stage = LAST,
     .stripes = 1,
     .blocks = 4},
    {"the cells have gone round",
     {{{ADD, 1}, {ADD, 4}}, {{ADD, 2}}, {{DRAIN}, {LOAD}}},
     .drained = HIGH,
     .stripes = 2,
     .blocks = 0},
    {"the cells have gone round, striped",
     {{{ADD, 1}}, {{ADD, 2}}, {{DRAIN}}},
     .drained = HIGH,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"from the first stage to the last at once", {{{ADD, FULL + 1}}, {{ADD, 1}}}, .stripes = 2, .blocks = 4},
    {"from the first stage to the last, full",
     {{{ADD, HIGH / 2}}, {{ADD, HIGH / 2}}, {{ADD, 3}}},
     .stripes = 1,
     .blocks = 4},
    {"everything at once, first stage",
     {{{ADD, 1}, {ADD, 2}}, {{ADD, 4}, {ADD, 8}}, {{DRAIN}, {LOAD}}},
     .stripes = 2,
     .blocks = 4,
     .deep = true},
    {"everything at once, striped",
     {{{ADD, 1}, {ADD, FULL}}, {{ADD, 4}}, {{DRAIN}, {LOAD}}},
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4,
     .deep = true},
    {"control: a split add", {{{SPLIT_ADD, 1}}, {{SPLIT_ADD, 2}}}, .fails = "changed the total"},
    {"control: a split drain", {{{DRAIN}}, {{SPLIT_DRAIN}}}, .initial = 3, .fails = "a drain returned"},
    {"limit: an addition that waits while 2^63 are counted",
     {{{ADD, HIGH}}, {{ADD, HALF}, {DRAIN}, {ADD, HALF}}},
     .stripes = 2,
     .blocks = 0,
     .fails = "changed the total"},
    {"limit: a drain that waits while 2^63 are drained",
     {{{DRAIN}}, {{ADD, HALF}, {DRAIN}, {ADD, HALF}, {DRAIN}}},
     .stripes = 2,
     .blocks = 0,
     .fails = "changed the total"},
};

const Subject counter_subject = {
    .name = "counter",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .finish = finish,
    .invoked = invoked,
    .stepped = stepped,
    .ghost = &ghost,
    .ghost_size = sizeof ghost,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
