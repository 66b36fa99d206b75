/* subject_ref.c: scripts for ax_ref.h over the object model of objects.h.
 *
 * Objects are known by their identity, a number from 1. Objects 1 to KEPT live as long as the script, which
 * keeps its own reference to each, so that a swap can expect them. Others are made by the call that stores
 * them. There is a second slot, which takes its objects from the same memory: an object that was only ever
 * stored in the second slot must never come out of the first.
 */
#include "objects.h"

#include "ax_ref.h"

#include "subject.h"

enum {
    STORE = FIRST_KIND,
    EXCHANGE,
    COMPARE_AND_SET,
    COMPARE_EXCHANGE,
    UPDATE,
    CLEAR,
    STORE_ELSEWHERE,
    ONE_LOOK,
    NO_MARK,
    SPLIT_STORE,
    KEEPS_STALE /* broken on purpose */
};

static const char *const kinds[] = {
    "end",
    "load",
    "store",
    "exchange",
    "compare_and_set",
    "compare_exchange",
    "update",
    "clear",
    "store elsewhere",
    "load with one look",
    "store without a mark",
    "split store",
    "store that keeps a stale value",
};

enum { KEPT = 2 };

static ax_pointer slot, elsewhere;
static ax_object *kept[KEPT];

static ax_object *object_of(int64_t identity)
{
    if (identity > KEPT) {
        return object_make(identity);
    }
    object_keep(kept[identity - 1]);
    return kept[identity - 1];
}

static void reset(const Script *script)
{
    objects_reset();
    explorer_name(&slot, "the slot");
    explorer_name(&elsewhere, "the other slot");
    for (int i = 0; i < KEPT; i++) {
        kept[i] = object_make(i + 1);
    }
    ax_ref_init(&slot, object_of(script->initial));
    ax_ref_init(&elsewhere, object_make(90));
}

/* Like ax_ref_load, returns an object with a reference, but does not look at the slot again. */
static ax_object *load_with_one_look(void)
{
    for (;;) {
        ax_object *found = ax_pointer_load(&slot);
        if (ax_object_try_acquire(found)) {
            return found;
        }
    }
}

/* Records the call's answer, then releases the object that it got. */
static void found(int id, bool ok, ax_object *object)
{
    subject_end(id, (Outcome){.ok = ok, .value = object_identity(object)});
    ax_object_release(object);
}

static void perform_update(const Call *call)
{
    int id = subject_begin(call);
    for (;;) {
        ax_object *expected = ax_ref_load(&slot);
        ax_object *desired = object_of(call->a);
        if (ax_ref_compare_and_set(&slot, expected, desired)) {
            ax_object_release(expected); /* the slot's; the load's reference is released below */
            found(id, true, expected);
            return;
        }
        ax_object_release(expected);
        ax_object_release(desired);
    }
}

static void perform_compare_exchange(const Call *call)
{
    ax_object *expected = kept[call->a - 1], *desired = object_of(call->b);
    int id = subject_begin(call);
    ax_object *witness = ax_ref_compare_exchange(&slot, expected, desired);
    found(id, witness == expected, witness);
    if (witness != expected) {
        ax_object_release(desired);
    }
}

static void perform_compare_and_set(const Call *call)
{
    ax_object *expected = kept[call->a - 1], *desired = object_of(call->b);
    int id = subject_begin(call);
    bool swapped = ax_ref_compare_and_set(&slot, expected, desired);
    subject_end(id, (Outcome){.ok = swapped});
    ax_object_release(swapped ? expected : desired);
}

static void perform_broken(const Call *call)
{
    ax_object *desired = object_of(call->a);
    int id = subject_begin(call);
    void *previous = ax_pointer_load(&slot);
    if (call->kind == SPLIT_STORE) {
        ax_object_share(desired);
        (void)ax_pointer_exchange(&slot, desired);
    } else if (call->kind == NO_MARK) {
        previous = ax_pointer_exchange(&slot, desired);
    } else {
        void *expected = previous;
        ax_object_share(desired);
        while (!ax_pointer_compare_exchange(&slot, &expected, desired)) {
        }
    }
    subject_end(id, (Outcome){.ok = true});
    ax_object_release(previous);
}

static void perform_swap(const Call *call)
{
    ax_object *desired = object_of(call->kind == CLEAR ? 1 : call->a);
    int id = subject_begin(call);
    ax_object *previous = ax_ref_exchange(&slot, desired);
    if (call->kind == EXCHANGE) {
        found(id, true, previous);
        return;
    }
    subject_end(id, (Outcome){.ok = true});
    ax_object_release(previous);
}

static void perform(const Call *call)
{
    int id;
    switch (call->kind) {
    case LOAD:
        id = subject_begin(call);
        found(id, true, ax_ref_load(&slot));
        break;
    case ONE_LOOK:
        id = subject_begin(call);
        found(id, true, load_with_one_look());
        break;
    case UPDATE:
        perform_update(call);
        break;
    case COMPARE_EXCHANGE:
        perform_compare_exchange(call);
        break;
    case COMPARE_AND_SET:
        perform_compare_and_set(call);
        break;
    case STORE_ELSEWHERE:
        ax_object_release(ax_ref_exchange(&elsewhere, object_of(call->a)));
        break;
    case STORE:
    case EXCHANGE:
    case CLEAR:
        perform_swap(call);
        break;
    default:
        perform_broken(call);
    }
}

static Outcome model(int64_t *state, const Call *call)
{
    Outcome outcome = {.ok = true, .value = *state};
    switch (call->kind) {
    case LOAD:
    case ONE_LOOK:
        break;
    case EXCHANGE:
    case UPDATE:
        *state = call->a;
        break;
    case COMPARE_AND_SET:
    case COMPARE_EXCHANGE:
        outcome.ok = *state == call->a;
        *state = outcome.ok ? call->b : *state;
        outcome.value = call->kind == COMPARE_AND_SET ? 0 : outcome.value;
        break;
    default:
        *state = call->kind == CLEAR ? 1 : call->a;
        outcome.value = 0;
    }
    return outcome;
}

/* At the end only the slots and the script hold references: the counts must say exactly that. */
static void finish(const Script *script)
{
    ax_object *held = slot.address, *other = elsewhere.address;
    for (int i = 0; i < OBJECTS; i++) {
        uint64_t references = (&objects[i] == held) + (&objects[i] == other);
        for (int j = 0; j < KEPT; j++) {
            references += &objects[i] == kept[j];
        }
        if (objects[i].count.bits != references) {
            explorer_fail("block %d counts %d references and has %d", i, (int)objects[i].count.bits,
                          (int)references);
        }
    }
    subject_linearizable(&ref_subject, script->initial, (int64_t)held->identity.bits);
}

static const Script scripts[] = {
    {"a load against stores", {{{STORE, 3}, {STORE, 4}}, {{LOAD}, {LOAD}}}, .initial = 9},
    {"no object of another slot is loaded",
     {{{STORE, 3}, {STORE_ELSEWHERE, 4}, {STORE, 5}}, {{LOAD}, {LOAD}}},
     .initial = 9},
    {"two writers and a reader", {{{STORE, 3}, {STORE_ELSEWHERE, 4}}, {{STORE, 5}}, {{LOAD}}}, .initial = 9},
    {"two readers and a writer", {{{STORE, 3}}, {{LOAD}}, {{LOAD}}}, .initial = 9},
    {"exchange chains are whole",
     {{{EXCHANGE, 3}, {EXCHANGE, 4}}, {{EXCHANGE, 5}}, {{EXCHANGE, 6}}},
     .initial = 9},
    {"two threads toggle two objects",
     {{{COMPARE_AND_SET, 1, 2}, {COMPARE_AND_SET, 2, 1}}, {{COMPARE_AND_SET, 1, 2}, {COMPARE_AND_SET, 2, 1}}},
     .initial = 1},
    {"three threads toggle two objects",
     {{{COMPARE_AND_SET, 1, 2}}, {{COMPARE_AND_SET, 2, 1}}, {{COMPARE_AND_SET, 1, 2}}},
     .initial = 1},
    {"the witness of a failed swap",
     {{{COMPARE_EXCHANGE, 1, 3}}, {{COMPARE_EXCHANGE, 1, 4}, {STORE, 1}}},
     .initial = 1},
    {"the expected object comes back", {{{COMPARE_EXCHANGE, 1, 3}}, {{STORE, 2}, {STORE, 1}}}, .initial = 1},
    {"a swap among stores", {{{COMPARE_EXCHANGE, 1, 3}}, {{STORE, 4}}, {{STORE, 1}}}, .initial = 1},
    {"updates are all there", {{{UPDATE, 3}}, {{UPDATE, 4}}}, .initial = 9},
    {"an update among stores", {{{UPDATE, 3}}, {{STORE, 4}, {STORE_ELSEWHERE, 5}}}, .initial = 9},
    {"cleared while it is read", {{{CLEAR}, {STORE, 3}}, {{LOAD}, {LOAD}}}, .initial = 9},
    {"cleared by two while it is read", {{{CLEAR}}, {{CLEAR}}, {{LOAD}}}, .initial = 9},
    {"two readers and two stores",
     {{{STORE, 3}, {STORE, 4}}, {{LOAD}}, {{LOAD}}},
     .initial = 9,
     .deep = true},
    {"two readers, two writers",
     {{{STORE, 3}}, {{STORE_ELSEWHERE, 4}, {STORE, 5}}, {{LOAD}}, {{LOAD}}},
     .initial = 9,
     .preemptions = 5,
     .deep = true},
    {"three updates",
     {{{UPDATE, 3}}, {{UPDATE, 4}}, {{UPDATE, 5}}},
     .initial = 9,
     .preemptions = 5,
     .deep = true},
    {"swaps, a clear and a load",
     {{{COMPARE_EXCHANGE, 1, 3}}, {{CLEAR}, {STORE, 4}}, {{LOAD}, {STORE, 1}}},
     .initial = 1,
     .deep = true},
    {"control: a load with one look",
     {{{STORE, 3}, {STORE_ELSEWHERE, 4}}, {{ONE_LOOK}}},
     .initial = 9,
     .fails = "no order of the calls"},
    {"control: a store without a mark", {{{NO_MARK, 3}}, {{LOAD}}}, .initial = 9, .fails = "no progress"},
    {"control: a split store",
     {{{SPLIT_STORE, 3}}, {{SPLIT_STORE, 4}}},
     .initial = 9,
     .fails = "released twice"},
    {"control: a store that keeps a stale value",
     {{{KEEPS_STALE, 3}}, {{KEEPS_STALE, 4}}},
     .initial = 9,
     .fails = "released twice"},
};

const Subject ref_subject = {
    .name = "ref",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
