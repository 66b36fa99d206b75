/* subject_entries.c: scripts for ax_entries.h: owners that enter and leave, and leaves without an owner.
 *
 * A call names its owner in a, and an entry its start in b; later entries have greater starts. Owner 0 has no
 * entries. A leave by an owner without entries may take nothing at any time, since it may see entries that
 * are just being left; alone it must be exact, which the scripts with one thread check. */
#include "ax_entries.h"
#include "memory.h"
#include "subject.h"

#include <string.h>

/* LEAVE_RASHLY and LEAVE_FIRST are broken on purpose; a leave that took nothing becomes REFUSED, and an enter
 * without memory becomes FULL. */
enum { ENTER = FIRST_KIND, LEAVE, LEAVE_RASHLY, LEAVE_FIRST, REFUSED, FULL };

static const char *const kinds[] = {"end",          "count",       "enter",         "leave",
                                    "leave rashly", "leave first", "refused leave", "full"};

static ax_entries entries;
static const Script *playing;

static void reset(const Script *script)
{
    playing = script;
    memory_reset(script->blocks, 1);
    memset(&entries, 0, sizeof entries);
    explorer_name(&entries.count, "the count");
    explorer_name(&entries.first.owner, "the first owner");
    explorer_name(&entries.first.start, "the first start");
    explorer_name(&entries.more, "further places");
}

/* The state has a byte per entry: its owner in the high half, its start in the low one; sorted by start. */
enum { ENTRIES = 8 };

static int64_t put(int64_t state, int64_t owner, int64_t start)
{
    int place = 0;
    while ((state >> 8 * place & 15) != 0 && (state >> 8 * place & 15) < start) {
        place++;
    }
    int64_t below = state & ((INT64_C(1) << 8 * place) - 1);
    return below | (owner << 4 | start) << 8 * place | (state - below) << 8;
}

static int64_t without(int64_t state, int place)
{
    int64_t below = state & ((INT64_C(1) << 8 * place) - 1);
    return below | (state >> 8 * (place + 1)) << 8 * place;
}

/* The place of the owner's newest entry, or of the only one there is; or -1. */
static int find(int64_t state, int64_t owner)
{
    int found = -1, number = 0;
    for (int place = 0; place < ENTRIES && state >> 8 * place != 0; place++) {
        found = (state >> (8 * place + 4) & 15) == owner ? place : found;
        number++;
    }
    return found < 0 && number == 1 ? 0 : found;
}

static bool take(ax_place *place, uint64_t *start)
{
    uint64_t found = ax_word_load(&place->start);
    if (found == 0) {
        return false;
    }
    *start = found - 1;
    ax_word_store(&place->start, 0);
    ax_word_store(&place->owner, 0);
    ax_entries_recount(&entries, UINT64_MAX);
    return true;
}

/* Takes the entry in the first place: anyone's (LEAVE_RASHLY), or only the owner's own (LEAVE_FIRST). */
static bool leave_wrongly(const Call *call, uint64_t *start)
{
    if (call->kind == LEAVE_FIRST && ax_word_load(&entries.first.owner) != (uint64_t)call->a) {
        return ax_entries_leave(&entries, (uint64_t)call->a, start);
    }
    return take(&entries.first, start);
}

/* What a call that did nothing turns into. */
static int refused_kind(int kind)
{
    bool alone = playing->threads[1][0].kind == END;
    return kind == ENTER ? FULL : alone ? kind : REFUSED;
}

static void perform(const Call *call)
{
    Outcome outcome = {.ok = true};
    uint64_t start = 0;
    int id = subject_begin(call);
    switch (call->kind) {
    case LOAD:
        (void)ax_word_load(&entries.count);
        break;
    case ENTER:
        outcome.ok = ax_entries_enter(&entries, (uint64_t)call->a, (uint64_t)call->b, &memory_system);
        break;
    case LEAVE:
        outcome.ok = ax_entries_leave(&entries, (uint64_t)call->a, &start);
        break;
    default:
        outcome.ok = leave_wrongly(call, &start);
    }
    outcome.value = (int64_t)start;
    if (!outcome.ok) {
        subject_call(id)->kind = refused_kind(call->kind);
    }
    subject_end(id, outcome);
}

static Outcome model(int64_t *state, const Call *call)
{
    if (call->kind == LOAD || call->kind == FULL) {
        return (Outcome){.ok = call->kind == LOAD};
    }
    if (call->kind == ENTER) {
        *state = put(*state, call->a, call->b);
        return (Outcome){.ok = true};
    }
    int place = find(*state, call->a);
    bool own = place >= 0 && (*state >> (8 * place + 4) & 15) == call->a;
    if (place < 0 || (call->kind == REFUSED && !own)) {
        return (Outcome){.ok = false};
    }
    Outcome outcome = {.ok = true, .value = *state >> 8 * place & 15};
    *state = without(*state, place);
    return outcome;
}

static int64_t state_now(void)
{
    int64_t state = 0;
    if (entries.first.start.bits != 0) {
        state = put(state, (int64_t)entries.first.owner.bits, (int64_t)entries.first.start.bits - 1);
    }
    for (ax_place_block *block = entries.more.address; block != NULL; block = block->next.address) {
        for (size_t i = 0; i < block->count; i++) {
            if (block->places[i].start.bits != 0) {
                state = put(state, (int64_t)block->places[i].owner.bits,
                            (int64_t)block->places[i].start.bits - 1);
            }
        }
    }
    return state;
}

static void require_free(const ax_place *place)
{
    explorer_require((place->start.bits == 0) == (place->owner.bits == 0),
                     "a place without an entry is not free");
}

static void finish(const Script *script)
{
    (void)script;
    int64_t state = state_now();
    subject_linearizable(&entries_subject, 0, state);
    uint64_t number = 0;
    for (int64_t left = state; left != 0; left >>= 8) {
        number++;
    }
    explorer_require(entries.count.bits == number, "the count is not the number of entries");
    require_free(&entries.first);
    for (ax_place_block *block = entries.more.address; block != NULL; block = block->next.address) {
        for (size_t i = 0; i < block->count; i++) {
            require_free(&block->places[i]);
        }
    }
    ax_entries_free(&entries, &memory_system);
    explorer_require(memory_in_use() == 0, "a block was not freed");
}

#define ENTERS(owner, start) {ENTER, owner, start}
#define LEAVES(owner) {LEAVE, owner, 0}

static const Script scripts[] = {
    {"alone, entries nest",
     {{ENTERS(1, 1), ENTERS(1, 2), ENTERS(1, 3), LEAVES(1), LEAVES(1), LEAVES(1)}},
     .blocks = 1},
    {"alone, owners take turns",
     {{ENTERS(1, 1), ENTERS(2, 2), ENTERS(3, 3), LEAVES(1), LEAVES(2), LEAVES(3)}},
     .blocks = 1},
    {"alone, a sole entry is left elsewhere", {{LEAVES(2), ENTERS(1, 1), LEAVES(2), LEAVES(1)}}},
    {"alone, a sole entry in a further place is left elsewhere",
     {{ENTERS(1, 1), ENTERS(2, 2), LEAVES(3), LEAVES(1), LEAVES(3), LEAVES(2)}},
     .blocks = 1},
    {"alone, one of two is not left elsewhere",
     {{ENTERS(1, 1), ENTERS(2, 2), LEAVES(0), LEAVES(3)}},
     .blocks = 1},
    {"no memory", {{ENTERS(1, 1), ENTERS(1, 2), LEAVES(1), ENTERS(1, 3)}, {ENTERS(2, 4), LEAVES(2)}}},
    {"two owners nest",
     {{ENTERS(1, 1), ENTERS(1, 3), LEAVES(1), LEAVES(1)}, {ENTERS(2, 2), ENTERS(2, 4), LEAVES(2), LEAVES(2)}},
     .blocks = 2,
     .preemptions = 2},
    {"three owners",
     {{ENTERS(1, 1), LEAVES(1)}, {ENTERS(2, 2), LEAVES(2)}, {ENTERS(3, 3), LEAVES(3)}},
     .blocks = 3,
     .preemptions = 2},
    {"an owner and nobody", {{ENTERS(1, 1), LEAVES(1), ENTERS(1, 2)}, {LEAVES(0), LEAVES(0)}}},
    {"two leave the same entry elsewhere", {{ENTERS(1, 1)}, {LEAVES(0)}, {LEAVES(0)}}},
    {"two owners and nobody",
     {{ENTERS(1, 1), LEAVES(1)}, {ENTERS(2, 2), LEAVES(2)}, {LEAVES(0)}},
     .blocks = 2,
     .preemptions = 3},
    {"an owner whose entry was taken, and nobody",
     {{ENTERS(1, 1), ENTERS(1, 3), LEAVES(1), LEAVES(1)}, {LEAVES(0), ENTERS(2, 2), LEAVES(2)}},
     .blocks = 2,
     .preemptions = 3},
    {"an entry is taken while its owner leaves, and its place is entered anew",
     {{ENTERS(1, 1), LEAVES(1)}, {ENTERS(2, 2), ENTERS(2, 4)}, {LEAVES(0)}},
     .blocks = 1,
     .preemptions = 4},
    {"control: leaves whatever is there",
     {{ENTERS(1, 1), LEAVES(1)}, {ENTERS(2, 2), {LEAVE_RASHLY, 2, 0}}},
     .blocks = 2,
     .fails = "no order of the calls"},
    {"control: leaves the first before a newer one",
     {{ENTERS(1, 1), ENTERS(1, 2), {LEAVE_FIRST, 1, 0}}, {ENTERS(2, 3)}},
     .blocks = 2,
     .fails = "no order of the calls"},
};

const Subject entries_subject = {
    .name = "entries",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
