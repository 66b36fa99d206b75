/* subject_float.c: scripts for ax_float.h. Values are given, kept and compared as bits. */
#include "ax_float.h"

#include "subject.h"

enum { STORE = FIRST_KIND, EXCHANGE, COMPARE_EXCHANGE, ADD, SUB, MAX, MIN, KINDS };

static const char *const kinds[] = {
    "end",       "load",      "store",     "exchange",  "compare_exchange",
    "fetch_add", "fetch_sub", "fetch_max", "fetch_min",
};

/* Bits of doubles. */
#define ZERO INT64_C(0)
#define MINUS_ZERO INT64_MIN
#define ONE INT64_C(0x3ff0000000000000)
#define TWO INT64_C(0x4000000000000000)
#define THREE INT64_C(0x4008000000000000)
#define INFINITE INT64_C(0x7ff0000000000000)
#define NOT_A_NUMBER INT64_C(0x7ff8000000000000)
#define OTHER_NAN INT64_C(0x7ff8000000000001)

static ax_word cell;

static double number(int64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t bits_of(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void reset(const Script *script)
{
    explorer_name(&cell, "the cell");
    ax_word_store(&cell, (uint64_t)script->initial);
}

static ax_float_step const steps[KINDS] = {
    [ADD] = ax_float_step_add,
    [SUB] = ax_float_step_sub,
    [MAX] = ax_float_step_max,
    [MIN] = ax_float_step_min,
};

static Outcome operate(const Call *call)
{
    Outcome outcome = {.ok = true};
    double previous = number(call->a), result;
    switch (call->kind) {
    case LOAD:
        outcome.value = bits_of(ax_float_load(&cell));
        break;
    case STORE:
        ax_float_store(&cell, number(call->a));
        break;
    case EXCHANGE:
        outcome.value = bits_of(ax_float_exchange(&cell, number(call->a)));
        break;
    case COMPARE_EXCHANGE:
        outcome.ok = ax_float_compare_exchange(&cell, &previous, number(call->b));
        outcome.value = bits_of(previous);
        break;
    default:
        ax_float_apply(&cell, steps[call->kind], number(call->a), &previous, &result);
        outcome.value = bits_of(previous);
        outcome.after = bits_of(result);
    }
    return outcome;
}

static void perform(const Call *call)
{
    int id = subject_begin(call);
    subject_end(id, operate(call));
}

static bool is_nan(int64_t bits)
{
    return (bits & INT64_MAX) > INFINITE;
}

/* Returns the operand if max or min takes it: it is a number, and the value is NaN or on the other side. */
static int64_t chosen(int64_t value, int64_t operand, bool beyond)
{
    return !is_nan(operand) && (is_nan(value) || beyond) ? operand : value;
}

static Outcome model(int64_t *state, const Call *call)
{
    Outcome outcome = {.ok = true, .value = *state};
    double value = number(*state), operand = number(call->a);
    switch (call->kind) {
    case LOAD:
        return outcome;
    case STORE:
        *state = call->a;
        return (Outcome){.ok = true};
    case EXCHANGE:
        *state = call->a;
        return outcome;
    case COMPARE_EXCHANGE:
        outcome.ok = *state == call->a;
        *state = outcome.ok ? call->b : *state;
        return outcome;
    case ADD:
        outcome.after = bits_of(value + operand);
        break;
    case SUB:
        outcome.after = bits_of(value - operand);
        break;
    case MAX:
        outcome.after = chosen(*state, call->a, operand > value);
        break;
    default:
        outcome.after = chosen(*state, call->a, operand < value);
    }
    *state = outcome.after;
    return outcome;
}

static void finish(const Script *script)
{
    subject_linearizable(&float_subject, script->initial, (int64_t)cell.bits);
}

static const Script scripts[] = {
    {"additions are all there", {{{ADD, ONE}, {ADD, TWO}}, {{ADD, ONE}, {SUB, THREE}}, {{ADD, TWO}, {LOAD}}}},
    {"exchange chains are whole",
     {{{EXCHANGE, ONE}, {EXCHANGE, TWO}}, {{EXCHANGE, THREE}, {LOAD}}, {{EXCHANGE, INFINITE}, {LOAD}}}},
    {"swaps compare bits: zeros",
     {{{COMPARE_EXCHANGE, ZERO, ONE}, {LOAD}},
      {{COMPARE_EXCHANGE, MINUS_ZERO, TWO}},
      {{STORE, MINUS_ZERO}, {COMPARE_EXCHANGE, ZERO, THREE}}}},
    {"swaps compare bits: NaN",
     {{{COMPARE_EXCHANGE, NOT_A_NUMBER, ONE}, {LOAD}},
      {{COMPARE_EXCHANGE, OTHER_NAN, TWO}, {STORE, NOT_A_NUMBER}}},
     .initial = NOT_A_NUMBER},
    {"additions to NaN end", {{{ADD, ONE}, {ADD, TWO}}, {{SUB, ONE}, {STORE, ONE}}}, .initial = NOT_A_NUMBER},
    {"maximum prefers a number",
     {{{MAX, NOT_A_NUMBER}, {MAX, ONE}}, {{MAX, TWO}, {LOAD}}, {{MAX, NOT_A_NUMBER}}},
     .initial = NOT_A_NUMBER},
    {"minimum prefers a number",
     {{{MIN, NOT_A_NUMBER}, {MIN, TWO}}, {{MIN, ONE}, {LOAD}}, {{MIN, NOT_A_NUMBER}}},
     .initial = NOT_A_NUMBER},
    {"zeros tie", {{{MAX, ZERO}, {MIN, ZERO}}, {{MAX, MINUS_ZERO}, {LOAD}}}, .initial = MINUS_ZERO},
    {"zeros of a sum", {{{ADD, ZERO}, {LOAD}}, {{SUB, ZERO}, {LOAD}}}, .initial = MINUS_ZERO},
    {"infinities", {{{ADD, INFINITE}, {SUB, INFINITE}}, {{MAX, ONE}, {MIN, INFINITE}}}},
};

const Subject float_subject = {
    .name = "float",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
