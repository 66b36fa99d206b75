/* explorer.c: see explorer.h. */
#define _GNU_SOURCE
#include "explorer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK_SIZE = 64 * 1024, NAMES = 64 };

typedef struct {
    ucontext_t start;
    jmp_buf top;   /* where a fiber waits for its next execution */
    jmp_buf point; /* where it stopped in this execution */
    char *stack;
    bool done;
    int calls;             /* how many it has begun */
    int call;              /* the call it is in, or -1 */
    int stepping;          /* the call that its last step belonged to, or -1 */
    bool starting;         /* that call has not taken its first step */
    uint64_t observed;     /* hash of all values it was given */
    const char *operation; /* what it is about to do, and to which word */
    const void *word;
} Fiber;

/* The threads that may go on at one point of an execution, in the order in which they are tried. */
typedef struct {
    int threads[EXPLORER_THREADS];
    int count;
    int taken; /* an index of threads */
} Choice;

typedef struct {
    uint64_t *keys; /* open addressing; 0 is free */
    uint64_t size, used;
} Set;

static struct {
    const Explorer *program;
    ExplorerResult *result;
    Fiber fibers[EXPLORER_THREADS];
    jmp_buf scheduler;
    jmp_buf failing;
    int running;     /* the thread whose turn it is, or -1 outside explored threads */
    uint64_t memory; /* hash of the changes to the shared words */
    Choice path[EXPLORER_STEPS + 1];
    int replayed; /* the length of the given path */
    int depth;
    int preemptions;
    uint32_t returned; /* the set of calls that have returned */
    uint32_t preceding[EXPLORER_THREADS * EXPLORER_CALLS];
    Set seen, outcomes;
    bool tracing;
    char message[EXPLORER_TEXT / 4];
    struct {
        const void *word;
        const char *name;
    } names[NAMES];
    int named;
} x = {.running = -1};

static uint64_t mix(uint64_t a, uint64_t b)
{
    /* The finalizer of splitmix64, over both values. */
    uint64_t z =
        (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2))) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Returns true if the key was not in the set. */
static bool set_add(Set *set, uint64_t key)
{
    if (set->used * 2 >= set->size) {
        Set grown = {.size = set->size == 0 ? 1024 : set->size * 2};
        grown.keys = calloc(grown.size, sizeof *grown.keys);
        if (grown.keys == NULL) {
            fprintf(stderr, "explorer: no memory for %llu states\n", (unsigned long long)set->used);
            exit(2);
        }
        for (uint64_t i = 0; i < set->size; i++) {
            if (set->keys[i] != 0) {
                (void)set_add(&grown, set->keys[i]);
            }
        }
        free(set->keys);
        *set = grown;
    }
    key += key == 0;
    uint64_t i = key & (set->size - 1);
    while (set->keys[i] != 0 && set->keys[i] != key) {
        i = (i + 1) & (set->size - 1);
    }
    if (set->keys[i] == key) {
        return false;
    }
    set->keys[i] = key;
    set->used++;
    return true;
}

static void set_clear(Set *set)
{
    free(set->keys);
    *set = (Set){.size = 0};
}

/* Fibers. They are started once and switched by longjmp, which makes no system call. */

static void fiber_main(int thread)
{
    Fiber *fiber = &x.fibers[thread];
    if (_setjmp(fiber->top) == 0) {
        _longjmp(x.scheduler, 1);
    }
    x.program->body(thread);
    fiber->done = true;
    _longjmp(x.scheduler, 1);
}

static void fiber_create(int thread)
{
    Fiber *fiber = &x.fibers[thread];
    fiber->stack = malloc(STACK_SIZE);
    if (fiber->stack == NULL) {
        exit(2);
    }
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = fiber->stack;
    fiber->start.uc_stack.ss_size = STACK_SIZE;
    makecontext(&fiber->start, (void (*)(void))fiber_main, 1, thread);
    if (_setjmp(x.scheduler) == 0) {
        setcontext(&fiber->start);
    }
}

static void fiber_resume(int thread, jmp_buf place)
{
    x.running = thread;
    if (_setjmp(x.scheduler) == 0) {
        _longjmp(place, 1);
    }
    x.running = -1;
}

/* The functions that programs call. */

int explorer_thread(void)
{
    return x.running;
}

void explorer_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(x.message, sizeof x.message, format, arguments);
    va_end(arguments);
    _longjmp(x.failing, 1);
}

int explorer_invoke(void)
{
    Fiber *fiber = &x.fibers[x.running];
    if (fiber->calls == EXPLORER_CALLS) {
        explorer_fail("the program has too many calls");
    }
    fiber->call = x.running * EXPLORER_CALLS + fiber->calls++;
    fiber->starting = true;
    return fiber->call;
}

static void call_start(Fiber *fiber)
{
    x.preceding[fiber->call] = x.returned;
    fiber->observed = mix(fiber->observed, x.returned);
    fiber->starting = false;
    if (x.program->invoked != NULL) {
        x.program->invoked(fiber->call);
    }
}

void explorer_return(int call)
{
    Fiber *fiber = &x.fibers[x.running];
    if (fiber->starting) {
        explorer_fail("a call returned without a step");
    }
    fiber->call = -1;
    x.returned |= UINT32_C(1) << call;
}

uint32_t explorer_returned(void)
{
    return x.returned;
}

uint32_t explorer_preceding(int call)
{
    return x.preceding[call];
}

int explorer_call_of(int thread)
{
    Fiber *fiber = &x.fibers[thread];
    return fiber->starting ? -1 : fiber->call;
}

void explorer_name(const void *word, const char *name)
{
    for (int i = 0; i < x.named; i++) {
        if (x.names[i].word == word) {
            x.names[i].name = name;
            return;
        }
    }
    if (x.named < NAMES) {
        x.names[x.named].word = word;
        x.names[x.named++].name = name;
    }
}

void explorer_point(const char *operation, const void *word)
{
    if (x.running < 0) {
        return;
    }
    Fiber *fiber = &x.fibers[x.running];
    fiber->operation = operation;
    fiber->word = word;
    if (_setjmp(fiber->point) == 0) {
        _longjmp(x.scheduler, 1);
    }
    fiber->observed = mix(fiber->observed, 0); /* that it got here */
    fiber->stepping = fiber->call;
    if (fiber->starting) {
        call_start(fiber);
    }
}

uint64_t explorer_observe(uint64_t value)
{
    if (x.running >= 0) {
        Fiber *fiber = &x.fibers[x.running];
        fiber->observed = mix(fiber->observed, value);
    }
    return value;
}

uint64_t explorer_address(const void *address)
{
    bool known = x.program != NULL && x.program->identify != NULL;
    return known ? x.program->identify(address) : (uint64_t)(uintptr_t)address;
}

uint64_t explorer_history(void)
{
    return x.running < 0 ? 0 : mix(x.fibers[x.running].observed, (uint64_t)x.running);
}

void explorer_wrote(const void *word, uint64_t before, uint64_t after)
{
    if (x.running >= 0) {
        uint64_t place = (uint64_t)(uintptr_t)word;
        x.memory ^= mix(place, before) ^ mix(place, after);
    }
}

/* The search. */

static const char *name_of(const void *word)
{
    for (int i = 0; i < x.named; i++) {
        if (x.names[i].word == word) {
            return x.names[i].name;
        }
    }
    return "a word";
}

/* The last thread comes first, so that the first execution has no preemption. */
static Choice choice_after(int last)
{
    Choice choice = {.count = 0};
    if (last >= 0 && !x.fibers[last].done) {
        choice.threads[choice.count++] = last;
        if (x.preemptions == x.program->preemptions) {
            return choice;
        }
    }
    for (int thread = 0; thread < x.program->threads; thread++) {
        if (thread != last && !x.fibers[thread].done) {
            choice.threads[choice.count++] = thread;
        }
    }
    return choice;
}

static uint64_t state_key(int last)
{
    uint64_t key = x.memory;
    for (int thread = 0; thread < x.program->threads; thread++) {
        key = mix(key, x.fibers[thread].observed);
    }
    const unsigned char *ghost = x.program->ghost;
    for (size_t i = 0; i < x.program->ghost_size; i += sizeof(uint64_t)) {
        uint64_t part = 0;
        size_t left = x.program->ghost_size - i;
        memcpy(&part, ghost + i, left < sizeof part ? left : sizeof part);
        key = mix(key, part);
    }
    if (x.program->preemptions >= 0) {
        key = mix(key, (uint64_t)x.preemptions * (EXPLORER_THREADS + 1) + (uint64_t)(last + 1));
    }
    return key;
}

static void execution_start(void)
{
    x.running = -1;
    x.memory = 0;
    x.depth = x.preemptions = 0;
    x.returned = 0;
    x.program->setup();
    for (int thread = 0; thread < x.program->threads; thread++) {
        Fiber *fiber = &x.fibers[thread];
        fiber->done = fiber->starting = false;
        fiber->call = -1;
        fiber->calls = 0;
        fiber->observed = (uint64_t)thread;
        fiber_resume(thread, fiber->top); /* to its first point: local code, no shared access */
    }
}

static void step(int thread)
{
    if (x.tracing) {
        size_t length = strlen(x.result->failure);
        snprintf(x.result->failure + length, sizeof x.result->failure - length, "\n  %2d  thread %d: %s %s",
                 x.depth, thread, x.fibers[thread].operation, name_of(x.fibers[thread].word));
    }
    fiber_resume(thread, x.fibers[thread].point);
    if (x.program->stepped != NULL) {
        x.program->stepped(x.fibers[thread].stepping);
    }
}

typedef enum { FINISHED, CUT_OFF, FAILED } Ending;

static Ending execute(void)
{
    if (_setjmp(x.failing) != 0) {
        x.running = -1;
        return FAILED;
    }
    execution_start();
    int last = -1;
    for (;;) {
        Choice *choice = &x.path[x.depth];
        if (x.depth >= x.replayed) {
            *choice = choice_after(last);
        }
        if (choice->count == 0) {
            break;
        }
        if (x.depth == EXPLORER_STEPS) {
            explorer_fail("no progress: %d steps and no end", EXPLORER_STEPS);
        }
        int next = choice->threads[choice->taken];
        x.preemptions += last >= 0 && next != last && !x.fibers[last].done;
        last = next;
        x.depth++;
        step(next);
        /* The last choice of a replay is new: where it leads has not been looked up yet. */
        if (x.program->cache && x.depth >= x.replayed && !set_add(&x.seen, state_key(next))) {
            return CUT_OFF;
        }
    }
    x.program->finish();
    uint64_t outcome = state_key(-1);
    if (set_add(&x.outcomes, outcome)) {
        x.result->digest ^= mix(outcome, 0);
    }
    return FINISHED;
}

/* Goes to the next path in depth-first order; false if there is none. */
static bool path_advance(void)
{
    while (x.depth > 0) {
        Choice *choice = &x.path[x.depth - 1];
        if (choice->taken + 1 < choice->count) {
            choice->taken++;
            x.replayed = x.depth;
            return true;
        }
        x.depth--;
    }
    return false;
}

/* Runs the failed path once more, and writes down each step. */
static void failure_report(void)
{
    ExplorerResult *result = x.result;
    result->failed = true;
    snprintf(result->failure, sizeof result->failure, "%s\n  after these steps:", x.message);
    x.replayed = x.depth;
    x.tracing = true;
    (void)execute();
    x.tracing = false;
}

void explorer_run(const Explorer *program, ExplorerResult *result)
{
    *result = (ExplorerResult){.executions = 0};
    x.program = program;
    x.result = result;
    x.replayed = x.named = 0;
    for (int thread = 0; thread < program->threads; thread++) {
        if (x.fibers[thread].stack == NULL) {
            fiber_create(thread);
        }
    }
    for (;;) {
        Ending ending = execute();
        result->executions++;
        if (x.depth > result->longest) {
            result->longest = x.depth;
        }
        if (ending == FAILED) {
            failure_report();
            break;
        }
        if (!path_advance()) {
            result->complete = true;
            break;
        }
        if (result->executions == program->max_executions) {
            break;
        }
    }
    result->states = x.seen.used;
    result->outcomes = x.outcomes.used;
    set_clear(&x.seen);
    set_clear(&x.outcomes);
}
