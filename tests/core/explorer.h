/* explorer.h: runs a small concurrent program under every sequentially consistent schedule.
 *
 * How to use. Fill in an Explorer and call explorer_run. The program's code under test is compiled against
 * ax_atomic_explorer.h, where each atomic operation is one schedule point: the thread stops, the explorer
 * decides which thread goes on, and the operation happens as a whole. Between two points a thread runs alone.
 *
 * How it works. Threads are fibers. The search is depth-first and stateless: a schedule is a list of choices,
 * each execution starts from the beginning, and the last choice that has an alternative is changed.
 *
 * States. A thread is deterministic, so the values that its operations returned determine where it stands. A
 * state consists of those values for each thread, every shared word, which calls had returned when a call
 * began, and the program's ghost memory (what its checks remember). Its key is a 64-bit hash of all that. An
 * execution that arrives at a state seen before is cut off there: the rest of it was or will be explored from
 * the first arrival. The key covers everything that a check looks at, so nothing is lost unless two hashes
 * collide (a probability of about one in a million for ten million states). `cache = false` turns it off; the
 * self-test of explore.c compares the outcomes of both.
 *
 * Memory that is reused. A pointer is identified by its value. Where the plain memory behind it is freed and
 * filled again, the value does not say what a thread found there. Such a program provides `identify`, whose
 * answer does, and tags each block with explorer_history() when it is allocated: what a thread writes follows
 * from that.
 *
 * Calls. A thread brackets each operation of the algorithm with explorer_invoke and explorer_return. A call
 * starts at its first atomic operation, ends with its last one, and precedes another call exactly if it ended
 * before that one started.
 *
 * Progress. An execution of more than EXPLORER_STEPS steps is a failure: the algorithms are lock-free, so a
 * program of a few operations that runs for that long makes no progress.
 *
 * Limits. It assumes sequential consistency: the litmus tests and ThreadSanitizer cover what weak memory
 * adds. The programs are small: it does not find a bug that needs more threads, calls or stripes than they
 * have.
 */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLORER_THREADS = 4, EXPLORER_CALLS = 6, EXPLORER_STEPS = 1000, EXPLORER_TEXT = 4000 };

/* What the search has to do. Immutable while it runs. */
typedef struct {
    int threads;
    void (*setup)(void);       /* makes a fresh state, alone and without schedule points */
    void (*body)(int thread);  /* what each thread runs */
    void (*invoked)(int call); /* may be NULL: a call is about to take its first step */
    void (*stepped)(int call); /* may be NULL: a step was taken, in call or (-1) between calls */
    void (*finish)(void);      /* all threads are done: checks the whole execution */
    uint64_t (*identify)(const void *address); /* may be NULL: tells contents apart at one address */
    const void *ghost;                         /* plain memory that invoked and stepped write, or NULL */
    size_t ghost_size;                         /* in bytes */
    bool cache;                                /* cut off at states seen before */
    int preemptions;         /* at most this many switches away from a thread that could go on; -1: any */
    uint64_t max_executions; /* the search is capped there */
} Explorer;

/* What the search found. */
typedef struct {
    uint64_t executions; /* schedules started, including those cut off */
    uint64_t states;     /* distinct states, if cached */
    uint64_t outcomes;   /* distinct final states */
    uint64_t digest;     /* of the set of outcomes, independent of the order in which they were found */
    int longest;         /* steps of the longest execution */
    bool complete;       /* every schedule within the bound was covered */
    bool failed;
    char failure[EXPLORER_TEXT]; /* why it failed, and the schedule that shows it */
} ExplorerResult;

void explorer_run(const Explorer *program, ExplorerResult *result);

/* For programs. A failure ends the execution at once. */
#define explorer_require(holds, ...) ((holds) ? (void)0 : explorer_fail(__VA_ARGS__))
_Noreturn void explorer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

int explorer_thread(void);             /* the running thread */
int explorer_invoke(void);             /* a call begins: thread * EXPLORER_CALLS + its place in the thread */
void explorer_return(int call);        /* it has returned */
uint32_t explorer_returned(void);      /* the set of calls that have returned */
uint32_t explorer_preceding(int call); /* the set of calls that had returned before this one started */
int explorer_call_of(int thread);      /* the call that the thread is in and has started, or -1 */
void explorer_name(const void *word, const char *name); /* for the schedules of failures */

/* For backends and object models. A point stops the thread; after it the thread has the shared words to
 * itself until the next point. It reports what it reads there by explorer_observe, which returns the value,
 * and what it writes by explorer_wrote. Outside explored threads all three do nothing. */
void explorer_point(const char *operation, const void *word);
uint64_t explorer_observe(uint64_t value);
void explorer_wrote(const void *word, uint64_t before, uint64_t after);
uint64_t explorer_address(const void *address); /* a pointer, to be observed */
uint64_t explorer_history(void); /* the running thread's, as a hash; 0 outside explored threads */

#endif
