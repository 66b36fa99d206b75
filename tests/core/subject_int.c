/* subject_int.c: scripts for ax_int.h. */
#include "ax_int.h"

#include "subject.h"

enum {
    STORE = FIRST_KIND,
    COMPARE_EXCHANGE,
    TRY_ADD,
    EXCHANGE, /* from here on by steps */
    ADD,
    SUB,
    AND,
    OR,
    XOR,
    MAX,
    MIN,
    ADVANCE,
    INC_MOD,
    ADD_WITHOUT_MEMORY, /* for its answer */
    KINDS,
    SPLIT_ADD = KINDS, /* from here on broken on purpose */
    SPLIT_SWAP,
    LATE_ADD
};

static const char *const kinds[] = {
    "end",       "load",       "store",         "compare_exchange",
    "try_add",   "exchange",   "fetch_add",     "fetch_sub",
    "fetch_and", "fetch_or",   "fetch_xor",     "fetch_max",
    "fetch_min", "advance",    "fetch_inc_mod", "fetch_add without memory",
    "split add", "split swap", "late add",
};

static ax_word cell;

static void reset(const Script *script)
{
    explorer_name(&cell, "the cell");
    ax_int_store(&cell, script->initial);
}

static ax_int_step const steps[KINDS] = {
    [EXCHANGE] = ax_int_step_replace,
    [ADD] = ax_int_step_add,
    [SUB] = ax_int_step_sub,
    [AND] = ax_int_step_and,
    [OR] = ax_int_step_or,
    [XOR] = ax_int_step_xor,
    [MAX] = ax_int_step_max,
    [MIN] = ax_int_step_min,
    [ADVANCE] = ax_int_step_advance,
    [INC_MOD] = ax_int_step_inc_mod,
    [ADD_WITHOUT_MEMORY] = ax_int_step_add,
};

static Outcome broken(const Call *call)
{
    Outcome outcome = {.ok = true, .value = ax_int_load(&cell)};
    switch (call->kind) {
    case SPLIT_ADD:
        outcome.after = outcome.value + call->a;
        ax_int_store(&cell, outcome.after);
        break;
    case SPLIT_SWAP:
        outcome.ok = outcome.value == call->a;
        if (outcome.ok) {
            ax_int_store(&cell, call->b);
        }
        break;
    default: /* adds first and looks for the overflow afterwards */
        while (!ax_int_compare_exchange(&cell, &outcome.value,
                                        (int64_t)((uint64_t)outcome.value + (uint64_t)call->a))) {
        }
        outcome.ok = ax_int_step_add(outcome.value, call->a, &outcome.after);
        if (!outcome.ok) {
            ax_int_store(&cell, outcome.value);
            outcome.after = 0;
        }
    }
    return outcome;
}

/* What the caller would hand out. It must be what happened in the end, however many attempts it took. */
typedef struct {
    int64_t previous, result;
    bool no_memory;
} Answer;

static bool prepare(void *answer, int64_t previous, int64_t result)
{
    Answer *prepared = answer;
    prepared->previous = previous;
    prepared->result = result;
    return !prepared->no_memory;
}

static Outcome apply(const Call *call)
{
    Answer answer = {.no_memory = call->kind == ADD_WITHOUT_MEMORY};
    int64_t previous, result;
    ax_application application =
        ax_int_apply_prepared(&cell, steps[call->kind], call->a, &previous, &result, prepare, &answer);
    if (application != AX_APPLIED) {
        return (Outcome){.ok = false, .value = previous};
    }
    explorer_require(answer.previous == previous && answer.result == result, "a stale answer was prepared");
    previous = call->kind == INC_MOD ? ax_int_index(previous, call->a) : previous;
    return (Outcome){.ok = true, .value = previous, .after = result};
}

static Outcome operate(const Call *call)
{
    Outcome outcome = {.ok = true};
    switch (call->kind) {
    case LOAD:
        outcome.value = ax_int_load(&cell);
        break;
    case STORE:
        ax_int_store(&cell, call->a);
        break;
    case COMPARE_EXCHANGE:
        outcome.value = call->a;
        outcome.ok = ax_int_compare_exchange(&cell, &outcome.value, call->b);
        break;
    case TRY_ADD:
        outcome.ok = ax_int_try_add(&cell, call->a, call->b);
        break;
    case SPLIT_ADD:
    case SPLIT_SWAP:
    case LATE_ADD:
        return broken(call);
    default:
        return apply(call);
    }
    return outcome;
}

static void perform(const Call *call)
{
    int id = subject_begin(call);
    subject_end(id, operate(call));
}

/* Computes in 128 bits, and refuses what does not fit in 64. */
static Outcome model(int64_t *state, const Call *call)
{
    __extension__ typedef __int128 Wide;
    int64_t value = *state, a = call->a, b = call->b;
    Wide next = value;
    Outcome outcome = {.ok = true, .value = value};
    switch (call->kind) {
    case LOAD:
        return outcome;
    case STORE:
        *state = a;
        outcome.value = 0;
        return outcome;
    case EXCHANGE:
        next = a;
        break;
    case ADD_WITHOUT_MEMORY:
        outcome.ok = false;
        return outcome;
    case COMPARE_EXCHANGE:
    case SPLIT_SWAP:
        outcome.ok = value == a;
        *state = outcome.ok ? b : value;
        return outcome;
    case TRY_ADD:
        next += a;
        outcome = (Outcome){.ok = (a < 0 ? next >= b : next <= b) && next >= INT64_MIN && next <= INT64_MAX};
        *state = outcome.ok ? (int64_t)next : value;
        return outcome;
    case ADD:
    case SPLIT_ADD:
    case LATE_ADD:
        next += a;
        break;
    case SUB:
        next -= a;
        break;
    case AND:
        next = value & a;
        break;
    case OR:
        next = value | a;
        break;
    case XOR:
        next = value ^ a;
        break;
    case MAX:
        next = a > value ? a : value;
        break;
    case MIN:
        next = a < value ? a : value;
        break;
    case ADVANCE:
        next = value == INT64_MAX || a <= value ? (Wide)value + 1 : a;
        break;
    case INC_MOD:
        outcome.value = value < 0 || value >= a ? 0 : value;
        next = ((Wide)outcome.value + 1) % a;
        break;
    }
    if (next < INT64_MIN || next > INT64_MAX) {
        return (Outcome){.ok = false, .value = value};
    }
    *state = outcome.after = (int64_t)next;
    return outcome;
}

static void finish(const Script *script)
{
    subject_linearizable(&int_subject, script->initial, (int64_t)cell.bits);
}

#define LOW INT64_MIN
#define HIGH INT64_MAX

static const Script scripts[] = {
    {"fetch_add hands out each value once",
     {{{ADD, 1}, {ADD, 1}}, {{ADD, 1}, {ADD, 1}}, {{ADD, 1}, {ADD, 1}}}},
    {"exchange chains are whole",
     {{{EXCHANGE, 1}, {EXCHANGE, 2}}, {{EXCHANGE, 3}, {EXCHANGE, 4}}, {{EXCHANGE, 5}, {LOAD}}}},
    {"the witness of a failed swap",
     {{{COMPARE_EXCHANGE, 0, 1}, {COMPARE_EXCHANGE, 1, 2}},
      {{COMPARE_EXCHANGE, 0, 3}, {COMPARE_EXCHANGE, 3, 0}},
      {{STORE, 1}, {COMPARE_EXCHANGE, 2, 1}}}},
    {"additions up to INT64_MAX and back",
     {{{ADD, 1}, {SUB, 1}}, {{ADD, 1}, {LOAD}}, {{ADD, 1}, {LOAD}}},
     .initial = HIGH - 1},
    {"subtractions down to INT64_MIN and back",
     {{{SUB, 1}, {ADD, 1}}, {{SUB, 1}, {LOAD}}, {{ADD, LOW}, {LOAD}}},
     .initial = LOW + 1},
    {"huge operands", {{{ADD, HIGH}, {ADD, LOW}}, {{SUB, LOW}, {SUB, HIGH}}, {{LOAD}, {LOAD}}}},
    {"advance at the end",
     {{{ADVANCE, HIGH}, {ADVANCE, 0}}, {{ADVANCE, HIGH - 1}, {LOAD}}, {{ADVANCE, 0}}},
     .initial = HIGH - 2},
    {"advance is strictly monotonic",
     {{{ADVANCE, 5}, {ADVANCE, 0}}, {{ADVANCE, 5}, {ADVANCE, 6}}, {{ADVANCE, 2}}}},
    {"try_add keeps a pool within its limit",
     {{{TRY_ADD, 1, 2}, {SUB, 1}}, {{TRY_ADD, 1, 2}, {SUB, 1}}, {{TRY_ADD, 1, 2}, {TRY_ADD, -1, 0}}},
     .initial = 1},
    {"a try_add outside int64 is refused",
     {{{TRY_ADD, 2, HIGH}, {ADD, 1}},
      {{TRY_ADD, HIGH, HIGH}, {LOAD}},
      {{TRY_ADD, LOW, LOW}, {TRY_ADD, -1, LOW}}},
     .initial = HIGH - 1},
    {"a ring index",
     {{{INC_MOD, 3}, {INC_MOD, 3}}, {{INC_MOD, 3}, {INC_MOD, 2}}, {{INC_MOD, 1}, {LOAD}}},
     .initial = 1},
    {"a ring index out of its range",
     {{{INC_MOD, HIGH}}, {{INC_MOD, 2}, {STORE, -4}}, {{INC_MOD, 3}, {LOAD}}},
     .initial = HIGH - 1},
    {"bits", {{{OR, 4}, {AND, -3}}, {{XOR, 7}, {AND, 6}}, {{OR, 2}, {LOAD}}}},
    {"maximum and minimum", {{{MAX, 4}, {MIN, 1}}, {{MAX, 2}, {LOAD}}, {{MIN, -5}, {MAX, -7}}}},
    {"an answer that cannot be prepared",
     {{{ADD_WITHOUT_MEMORY, 1}, {ADD, 1}}, {{ADD_WITHOUT_MEMORY, 1}, {ADD, 1}}, {{LOAD}}}},
    {"three times three",
     {{{ADD, 1}, {EXCHANGE, 5}, {LOAD}},
      {{ADD, 2}, {COMPARE_EXCHANGE, 5, 9}, {SUB, 1}},
      {{ADVANCE, 3}, {TRY_ADD, 1, 9}, {MAX, 7}}},
     .deep = true},
    {"four threads",
     {{{ADD, 1}, {LOAD}}, {{SUB, 1}, {LOAD}}, {{EXCHANGE, 8}, {ADD, 1}}, {{ADVANCE, 4}, {LOAD}}},
     .deep = true},
    {"control: a split add", {{{SPLIT_ADD, 1}}, {{SPLIT_ADD, 1}}}, .fails = "no order of the calls"},
    {"control: a split swap", {{{SPLIT_SWAP, 0, 1}}, {{SPLIT_SWAP, 0, 2}}}, .fails = "no order of the calls"},
    {"control: the overflow is seen late",
     {{{LATE_ADD, 1}}, {{LOAD}}},
     .initial = HIGH,
     .fails = "no order of the calls"},
};

bool int_pair(size_t index, Script *script)
{
    static const int64_t initials[] = {1, HIGH, LOW};
    static const int64_t operands[][2] = {{1, 2}, {HIGH, 1}};
    enum { OPERATIONS = KINDS - LOAD, INITIALS = 3, OPERANDS = 2 };
    if (index >= (size_t)OPERATIONS * OPERATIONS * INITIALS * OPERANDS) {
        return false;
    }
    int64_t initial = initials[index % INITIALS];
    const int64_t *operand = operands[index / INITIALS % OPERANDS];
    size_t pair = index / INITIALS / OPERANDS;
    *script = (Script){
        .name = "every pair of operations, and what loads see",
        .initial = initial,
        .threads = {{{LOAD + (int)(pair % OPERATIONS), operand[0], operand[1]}, {LOAD}},
                    {{LOAD + (int)(pair / OPERATIONS), operand[1], operand[0]}, {LOAD}}},
    };
    return true;
}

const Subject int_subject = {
    .name = "int",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
