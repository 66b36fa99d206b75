/* subject.h: what one algorithm of the core gives the explorer, and the linearizability check they share.
 *
 * A script says what each thread calls. A subject turns a call into operations of the core as shipped. Its
 * own model, written without the core, says what a sequential object would answer.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include "explorer.h"

enum { END, LOAD, FIRST_KIND }; /* a call's kind: END ends a thread's calls, the others are subjects' own */

typedef struct {
    int kind;
    int64_t a, b;
} Call;

/* What a call answered; fields that an operation does not use are 0. */
typedef struct {
    bool ok;
    int64_t value; /* what it found */
    int64_t after; /* what it left */
} Outcome;

typedef enum { FIRST, STRIPED, LAST } Stage;

typedef struct {
    const char *name;
    Call threads[EXPLORER_THREADS][EXPLORER_CALLS];
    int64_t initial;
    int64_t drained;   /* counter: what was counted and drained before. table: how many slots are taken */
    Stage stage;       /* counter: where it starts */
    size_t stripes;    /* counter: how many the system wants. table: processors, 0: one stripe */
    int blocks;        /* counter: how many blocks can be allocated. table: not 0 if something is held up */
    int preemptions;   /* 0: any number; else only schedules with at most this many */
    bool deep;         /* takes long */
    const char *fails; /* NULL, or for a control: a part of the failure that must be found */
} Script;

typedef struct {
    const char *name;
    const char *const *kinds; /* the names of the kinds */
    void (*reset)(const Script *script);
    void (*perform)(const Call *call); /* between subject_begin and subject_end */
    Outcome (*model)(int64_t *state, const Call *call);
    void (*finish)(const Script *script);
    void (*invoked)(int call);
    void (*stepped)(int call);
    uint64_t (*identify)(const void *address); /* see explorer.h */
    const void *ghost;
    size_t ghost_size;
    const Script *scripts;
    size_t count;
} Subject;

extern const Subject int_subject, float_subject, ref_subject, counter_subject, buckets_subject, gate_subject,
    table_subject, entries_subject, segment_subject;
bool int_pair(size_t index, Script *script); /* the scripts of all pairs of operations; false past the last */

/* Called around an operation, by the thread that performs it. */
int subject_begin(const Call *call);
void subject_end(int id, Outcome outcome);

Call *subject_call(int id); /* the subject may change the call's kind to fit its outcome */
Outcome subject_outcome(int id);

/* Fails unless the calls have a linearization: an order that keeps each call that returned before another
 * started ahead of it, makes the model give every outcome, and leaves the model in the final state. */
void subject_linearizable(const Subject *subject, int64_t initial, int64_t final);

void subject_explore(const Subject *subject, const Script *script, Explorer search, ExplorerResult *result);

#endif
