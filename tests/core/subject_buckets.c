/* subject_buckets.c: scripts for ax_buckets.h and ax_buckets.c.
 *
 * There are two buckets. Every value in the lower one is LOW, and every value in the upper one HIGH, so that
 * a sum tells how many values are in it. After each step the true counts and the true sum are computed from
 * the cells. For each call in progress, ghost memory keeps the least and the greatest of each count since the
 * call started, and by how much the call itself changed each cell. From that,
 *
 *   - an observation adds 1 to the count of its bucket, once, and then its value to the sum, once;
 *   - a snapshot returns for each bucket a count between the least and the greatest of its time, and, as long
 *     as nothing was drained, no value in the sum whose observation is not in the counts;
 *   - a drain takes away what it returns, so each observation is in one drain, or there at the end; and one
 *     that cannot prepare its answer takes nothing, and one that gives back what it took changes nothing;
 *   - the same holds if observations mark their buckets and a snapshot skips those without a mark.
 */
#include "ax_buckets.h"

#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "subject.h"

/* From number a on FAILING_DRAIN has no memory for its answers; those from SPLIT_OBSERVE on are broken on
 * purpose. */
enum {
    OBSERVE = FIRST_KIND,
    DRAIN,
    FAILING_DRAIN,
    UNDONE_DRAIN,
    MARKED_OBSERVE,
    MARKED_LOAD,
    SPLIT_OBSERVE,
    LEADING_OBSERVE,
    DOUBLE_DRAIN,
    LATE_OBSERVE,
};

static const char *const kinds[] = {
    "end",           "snapshot",        "observe",        "drain",
    "failing drain", "undone drain",    "marked observe", "marked snapshot",
    "split observe", "leading observe", "double drain",   "late observe",
};

enum { CALLS = EXPLORER_THREADS * EXPLORER_CALLS, BUCKETS = 2, LOW = 1, HIGH = 16 };

static const double bounds[] = {2.0};
static ax_buckets *buckets;

typedef struct {
    int64_t counts[BUCKETS];
    int64_t sum;
} State;

static struct {
    State now;
    State least[CALLS], greatest[CALLS], change[CALLS];
    bool drained; /* a drain has taken something */
} ghost;

/* What a call answered, in one number: its counts are less than 256. */
static int64_t packed(State state)
{
    return state.counts[0] + (state.counts[1] << 8) + (state.sum << 16);
}

static State unpacked(int64_t number)
{
    return (State){.counts = {number & 255, number >> 8 & 255}, .sum = number >> 16};
}

static State state_now(void)
{
    State state = {.sum = (int64_t)ax_float_from_bits(buckets->first[0].bits)};
    const ax_stripes *stripes = buckets->stripes.address;
    for (size_t i = 0; stripes != NULL && i < stripes->count; i++) {
        state.sum += (int64_t)ax_float_from_bits(ax_stripe_at(stripes, i)[0].bits);
    }
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        uint64_t count = buckets->first[1 + bucket].bits - buckets->drained[bucket].bits;
        for (size_t i = 0; stripes != NULL && i < stripes->count; i++) {
            count += ax_stripe_at(stripes, i)[1 + bucket].bits;
        }
        state.counts[bucket] = (int64_t)count;
    }
    return state;
}

/* Observes as the binding does. */
static void observe(int64_t value)
{
    size_t bucket = ax_buckets_find(buckets, (double)value);
    ax_observation left = ax_buckets_try_observe(buckets, bucket, (double)value);
    if (left != AX_OBSERVED) {
        ax_buckets_observe_striped(buckets, bucket, (double)value, left, (uint64_t)explorer_thread(),
                                   &memory_system);
    }
}

static State snapshot_of(uint64_t (*marks_of)(const ax_buckets *))
{
    State state = {.sum = (int64_t)ax_buckets_sum(buckets)};
    uint64_t marks = marks_of(buckets);
    for (size_t i = 0; i < BUCKETS; i++) {
        if (ax_buckets_is_marked(buckets, marks, i)) {
            state.counts[i] = (int64_t)ax_buckets_load(buckets, i);
        }
    }
    return state;
}

static uint64_t all_marks(const ax_buckets *unused)
{
    (void)unused;
    return UINT64_MAX;
}

static State snapshot(void)
{
    return snapshot_of(all_marks);
}

typedef struct {
    State state;
    int64_t prepared, most; /* how many counts were prepared, and may be */
} Answer;

static bool prepare(void *answer, size_t bucket, uint64_t count)
{
    Answer *made = answer;
    if (count != 0 && made->prepared++ >= made->most) {
        return false;
    }
    made->state.counts[bucket] = (int64_t)count;
    return true;
}

/* All zeros if there was no memory for the answer. */
static State drain(int64_t most)
{
    Answer answer = {.most = most};
    ax_bucket_reading readings[BUCKETS];
    double sum;
    if (!ax_buckets_drain(buckets, readings, prepare, &answer, &sum)) {
        return (State){0};
    }
    answer.state.sum = (int64_t)sum;
    return answer.state;
}

/* A drain whose caller cannot hand out what it took. */
static void drain_and_give_back(void)
{
    State state = drain(CALLS);
    uint64_t counts[BUCKETS] = {(uint64_t)state.counts[0], (uint64_t)state.counts[1]};
    ax_buckets_give_back(buckets, counts, (double)state.sum);
}

static void name_words(void)
{
    explorer_name(&buckets->marks, "marks");
    explorer_name(&buckets->first[0], "sum");
    explorer_name(&buckets->first[1], "low");
    explorer_name(&buckets->first[2], "high");
    explorer_name(&buckets->drained[0], "low drained");
    explorer_name(&buckets->drained[1], "high drained");
    explorer_name(&buckets->stripes, "stripes");
}

static void reset(const Script *script)
{
    memory_reset(1 + script->blocks, script->stripes);
    memset(&ghost, 0, sizeof ghost);
    buckets = ax_buckets_new(bounds, BUCKETS - 1, &memory_system);
    name_words();
    for (int64_t i = 0; i < script->drained; i++) {
        observe(LOW);
    }
    (void)drain(BUCKETS);
    for (int64_t i = 0; i < script->initial; i++) {
        observe(HIGH);
    }
    if (script->initial != 0) {
        ax_buckets_mark(buckets, 1);
    }
    if (script->drained != 0) {
        ax_buckets_mark(buckets, 0);
    }
    if (script->stage == STRIPED) {
        (void)ax_stripes_ensure(&buckets->stripes, 1 + BUCKETS, &memory_system);
    }
    ghost.now = state_now();
}

static void broken(const Call *call)
{
    if (call->kind == SPLIT_OBSERVE) {
        uint64_t count = ax_word_load(&buckets->first[1]);
        ax_word_store(&buckets->first[1], count + 1);
        (void)ax_buckets_try_sum(&buckets->first[0], LOW);
    } else if (call->kind == LATE_OBSERVE) {
        observe(call->a);
        ax_buckets_mark(buckets, call->a == HIGH);
    } else {
        (void)ax_buckets_try_sum(&buckets->first[0], LOW);
        (void)ax_buckets_try_count(&buckets->first[1]);
    }
}

/* What two drains would both report, if a drain were a read followed by a write of the drained count. */
static State drain_twice(void)
{
    State state = snapshot();
    for (size_t i = 0; i < BUCKETS; i++) {
        uint64_t drained = ax_word_load(&buckets->drained[i]);
        ax_word_store(&buckets->drained[i], drained + (uint64_t)state.counts[i]);
    }
    ax_float_store(&buckets->first[0], 0.0);
    return state;
}

static void perform(const Call *call)
{
    int id = subject_begin(call);
    State state = {0};
    switch (call->kind) {
    case OBSERVE:
        observe(call->a);
        break;
    case LOAD:
        state = snapshot();
        break;
    case DRAIN:
        state = drain(CALLS);
        break;
    case UNDONE_DRAIN:
        drain_and_give_back();
        break;
    case MARKED_OBSERVE:
        ax_buckets_mark(buckets, call->a == HIGH);
        observe(call->a);
        break;
    case MARKED_LOAD:
        state = snapshot_of(ax_buckets_marks);
        break;
    case FAILING_DRAIN:
        state = drain(call->a);
        break;
    case DOUBLE_DRAIN:
        state = drain_twice();
        break;
    default:
        broken(call);
    }
    subject_end(id, (Outcome){.ok = true, .value = packed(state)});
}

static bool observes(int call)
{
    int kind = subject_call(call)->kind;
    return kind == OBSERVE || kind == MARKED_OBSERVE || kind == SPLIT_OBSERVE || kind == LEADING_OBSERVE ||
           kind == LATE_OBSERVE;
}

static bool loads(int call)
{
    int kind = subject_call(call)->kind;
    return kind == LOAD || kind == MARKED_LOAD;
}

static void widen(int call)
{
    if (call < 0) {
        return;
    }
    for (int i = 0; i < BUCKETS; i++) {
        int64_t count = ghost.now.counts[i];
        ghost.least[call].counts[i] =
            count < ghost.least[call].counts[i] ? count : ghost.least[call].counts[i];
        ghost.greatest[call].counts[i] =
            count > ghost.greatest[call].counts[i] ? count : ghost.greatest[call].counts[i];
    }
}

static void invoked(int call)
{
    ghost.least[call] = ghost.greatest[call] = ghost.now;
}

static void stepped(int call)
{
    State now = state_now(), change = {.sum = now.sum - ghost.now.sum};
    bool changed = change.sum != 0;
    for (int i = 0; i < BUCKETS; i++) {
        change.counts[i] = now.counts[i] - ghost.now.counts[i];
        changed = changed || change.counts[i] != 0;
    }
    ghost.now = now;
    if (changed) {
        for (int i = 0; i < BUCKETS; i++) {
            explorer_require(subject_call(call)->kind == UNDONE_DRAIN ||
                                 (observes(call) ? change.counts[i] >= 0 : change.counts[i] <= 0),
                             "%s changed a count by %" PRId64, kinds[subject_call(call)->kind],
                             change.counts[i]);
            ghost.change[call].counts[i] += change.counts[i];
        }
        ghost.change[call].sum += change.sum;
        explorer_require(!observes(call) || change.sum == 0 ||
                             ghost.change[call].counts[0] + ghost.change[call].counts[1] == 1,
                         "a value is in the sum before its observation is counted");
    }
    ghost.drained = ghost.drained || (changed && !observes(call));
    widen(call);
    for (int thread = 0; thread < EXPLORER_THREADS; thread++) {
        widen(explorer_call_of(thread));
    }
}

static void check_snapshot(int call, State state)
{
    for (int i = 0; i < BUCKETS; i++) {
        explorer_require(state.counts[i] >= ghost.least[call].counts[i] &&
                             state.counts[i] <= ghost.greatest[call].counts[i],
                         "a snapshot has %" PRId64 " in bucket %d, where there were %" PRId64 " to %" PRId64,
                         state.counts[i], i, ghost.least[call].counts[i], ghost.greatest[call].counts[i]);
    }
    explorer_require(ghost.drained ||
                         (state.sum % HIGH <= state.counts[0] && state.sum / HIGH <= state.counts[1]),
                     "a snapshot has a sum of %" PRId64 " with %" PRId64 " and %" PRId64 " observations",
                     state.sum, state.counts[0], state.counts[1]);
}

static void check(int call)
{
    State state = unpacked(subject_outcome(call).value), change = ghost.change[call];
    if (loads(call)) {
        check_snapshot(call, state);
    } else if (observes(call)) {
        bool low = subject_call(call)->a == LOW;
        explorer_require(change.counts[0] == low && change.counts[1] == !low &&
                             change.sum == subject_call(call)->a,
                         "an observation changed counts by %" PRId64 " and %" PRId64 ", the sum by %" PRId64,
                         change.counts[0], change.counts[1], change.sum);
    } else {
        explorer_require(state.counts[0] == -change.counts[0] && state.counts[1] == -change.counts[1] &&
                             state.sum == -change.sum,
                         "a drain returned other observations than it took");
    }
}

static void finish(const Script *script)
{
    State sum = {.counts = {0, script->initial}, .sum = script->initial * HIGH};
    for (int call = 0; call < CALLS; call++) {
        if (explorer_returned() >> call & 1) {
            check(call);
            sum.counts[0] += ghost.change[call].counts[0];
            sum.counts[1] += ghost.change[call].counts[1];
            sum.sum += ghost.change[call].sum;
        }
    }
    explorer_require(packed(snapshot()) == packed(sum), "the last snapshot is not what happened");
    ax_buckets_free(buckets, &memory_system);
    explorer_require(memory_in_use() == 0, "%d blocks were not freed", memory_in_use());
}

static const Script scripts[] = {
    {"observations meet", {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}}, .stripes = 2, .blocks = 4},
    {"observations meet in the sum alone", {{{OBSERVE, LOW}}, {{OBSERVE, HIGH}}}, .stripes = 2, .blocks = 4},
    {"observations meet, and again",
     {{{OBSERVE, LOW}, {OBSERVE, LOW}}, {{OBSERVE, LOW}, {OBSERVE, HIGH}}},
     .stripes = 2,
     .blocks = 4},
    {"observations meet without memory",
     {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}, {{OBSERVE, HIGH}}},
     .stripes = 2,
     .blocks = 0},
    {"two stripings race for the last block",
     {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}, {{OBSERVE, LOW}}},
     .stripes = 1,
     .blocks = 1},
    {"observations share a stripe",
     {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}},
     .stage = STRIPED,
     .stripes = 1,
     .blocks = 4},
    {"a snapshot while observations meet",
     {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}, {{LOAD}}},
     .stripes = 2,
     .blocks = 4},
    {"a snapshot of stripes",
     {{{OBSERVE, LOW}, {OBSERVE, HIGH}}, {{LOAD}}},
     .drained = 2,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"a drain while observations meet",
     {{{OBSERVE, LOW}}, {{OBSERVE, LOW}}, {{DRAIN}}},
     .stripes = 2,
     .blocks = 4},
    {"drains of stripes",
     {{{OBSERVE, LOW}, {OBSERVE, HIGH}}, {{DRAIN}, {DRAIN}}},
     .initial = 2,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4},
    {"two drains at once", {{{OBSERVE, LOW}}, {{DRAIN}}, {{DRAIN}}}, .initial = 3, .stripes = 2, .blocks = 0},
    {"a snapshot while another drains",
     {{{OBSERVE, HIGH}}, {{DRAIN}}, {{LOAD}}},
     .initial = 3,
     .stripes = 2,
     .blocks = 0},
    {"a drain whose answer cannot be prepared",
     {{{OBSERVE, LOW}}, {{FAILING_DRAIN, 0}, {LOAD}}, {{DRAIN}}},
     .initial = 3,
     .stripes = 2,
     .blocks = 0,
     .preemptions = 3},
    {"a drain that is overtaken, and then has no memory",
     {{{OBSERVE, HIGH}}, {{FAILING_DRAIN, 1}}, {{DRAIN}}},
     .initial = 3,
     .stripes = 2,
     .blocks = 0},
    {"a drain that is undone",
     {{{OBSERVE, LOW}}, {{UNDONE_DRAIN}}, {{LOAD}}},
     .initial = 1,
     .stripes = 1,
     .blocks = 1},
    {"a drain that is undone while another drains",
     {{{UNDONE_DRAIN}, {LOAD}}, {{DRAIN}}, {{OBSERVE, HIGH}}},
     .initial = 3,
     .stripes = 2,
     .blocks = 0,
     .preemptions = 3},
    {"a snapshot of what is marked",
     {{{MARKED_OBSERVE, LOW}, {MARKED_OBSERVE, LOW}}, {{MARKED_LOAD}}, {{MARKED_OBSERVE, HIGH}}},
     .stripes = 1,
     .blocks = 1,
     .preemptions = 4},
    {"a snapshot of what is marked, in stripes",
     {{{MARKED_OBSERVE, HIGH}}, {{MARKED_LOAD}, {MARKED_LOAD}}, {{DRAIN}}},
     .drained = 2,
     .stage = STRIPED,
     .stripes = 2,
     .blocks = 4,
     .preemptions = 4},
    {"everything at once",
     {{{OBSERVE, LOW}, {OBSERVE, HIGH}}, {{OBSERVE, LOW}}, {{DRAIN}, {LOAD}}},
     .stripes = 2,
     .blocks = 4,
     .preemptions = 3,
     .deep = true},
    {"control: a split observation",
     {{{SPLIT_OBSERVE, LOW}}, {{SPLIT_OBSERVE, LOW}}},
     .fails = "an observation changed"},
    {"control: a mark that comes late", {{{LATE_OBSERVE, LOW}}, {{MARKED_LOAD}}}, .fails = "a snapshot has"},
    {"control: a sum that leads", {{{LEADING_OBSERVE, LOW}}}, .fails = "before its observation is counted"},
    {"control: two drains that read and set",
     {{{DRAIN}}, {{DOUBLE_DRAIN}}},
     .initial = 3,
     .fails = "a drain"},
};

const Subject buckets_subject = {
    .name = "buckets",
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
