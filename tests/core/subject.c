/* subject.c: see subject.h. */
#include "subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CALLS = EXPLORER_THREADS * EXPLORER_CALLS };

static const Subject *current;
static const Script *playing;
static Call calls[CALLS];
static Outcome outcomes[CALLS];

int subject_begin(const Call *call)
{
    int id = explorer_invoke();
    calls[id] = *call;
    return id;
}

void subject_end(int id, Outcome outcome)
{
    outcomes[id] = outcome;
    explorer_return(id);
}

Call *subject_call(int id)
{
    return &calls[id];
}

Outcome subject_outcome(int id)
{
    return outcomes[id];
}

static bool same(Outcome one, Outcome other)
{
    return one.ok == other.ok && one.value == other.value && one.after == other.after;
}

/* True if the calls in `left` can follow, from this state, in some order. */
static bool ordered(uint32_t left, int64_t state, int64_t final)
{
    if (left == 0) {
        return state == final;
    }
    for (int id = 0; id < CALLS; id++) {
        bool first = left >> id & 1 && (explorer_preceding(id) & left) == 0;
        int64_t next = state;
        if (first && same(current->model(&next, &calls[id]), outcomes[id]) &&
            ordered(left & ~(UINT32_C(1) << id), next, final)) {
            return true;
        }
    }
    return false;
}

void subject_linearizable(const Subject *subject, int64_t initial, int64_t final)
{
    if (ordered(explorer_returned(), initial, final)) {
        return;
    }
    char text[900];
    int length =
        snprintf(text, sizeof text,
                 "no order of the calls explains their results (from %" PRId64 " to %" PRId64 "):", initial,
                 final);
    for (int id = 0; id < CALLS; id++) {
        if (explorer_returned() >> id & 1 && (size_t)length < sizeof text) {
            const Call *call = &calls[id];
            length += snprintf(text + length, sizeof text - (size_t)length,
                               "\n  thread %d: %s(%" PRId64 ", %" PRId64 ") -> %s, found %" PRId64
                               ", left %" PRId64,
                               id / EXPLORER_CALLS, subject->kinds[call->kind], call->a, call->b,
                               outcomes[id].ok ? "true" : "false", outcomes[id].value, outcomes[id].after);
        }
    }
    explorer_fail("%s", text);
}

static void setup(void)
{
    current->reset(playing);
}

static void body(int thread)
{
    for (const Call *call = playing->threads[thread]; call->kind != END; call++) {
        current->perform(call);
    }
}

static void finish(void)
{
    current->finish(playing);
}

void subject_explore(const Subject *subject, const Script *script, Explorer search, ExplorerResult *result)
{
    current = subject;
    playing = script;
    search.threads = 0;
    while (search.threads < EXPLORER_THREADS && script->threads[search.threads][0].kind != END) {
        search.threads++;
    }
    search.preemptions = script->preemptions == 0 ? -1 : script->preemptions;
    search.setup = setup;
    search.body = body;
    search.finish = finish;
    search.identify = subject->identify;
    search.invoked = subject->invoked;
    search.stepped = subject->stepped;
    search.ghost = subject->ghost;
    search.ghost_size = subject->ghost_size;
    explorer_run(&search, result);
}
