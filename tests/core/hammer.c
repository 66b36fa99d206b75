/* hammer.c: the core as shipped under real threads, for ThreadSanitizer.
 *
 *   hammer            runs every algorithm; status 0 if every count is right and no race was reported
 *   hammer --planted  an object published without an order: ThreadSanitizer must report a data race
 *
 * It looks for plain accesses that no atomic operation orders: the contents of an object or a stripe block,
 * written before it is published and read by the threads that find it. On x86-64 such a bug does not show in
 * any result, but ThreadSanitizer knows which orders the code asked for. Counts are checked too, though the
 * explorer is the better tool for that.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ax_atomic.h"
#include "threads.h"

enum { BLOCKS = 16, ROUNDS = 2000, ADDITIONS = 20 };

/* Objects like the explorer's: type-stable blocks that are reused at once. Here each also holds plain memory,
 * which its maker writes before it enters a slot. */
typedef struct {
    ax_word count;
    ax_word taken;       /* 1 while a maker or an object has the block */
    ax_word shared;      /* the mark of ax_object_share */
    uint64_t payload[4]; /* written only by the maker; read by any thread that has a reference */
} ax_object;

static ax_object objects[BLOCKS];

static uint64_t word_add(ax_word *word, uint64_t delta)
{
    uint64_t found = ax_word_load(word);
    while (!ax_word_compare_exchange(word, &found, found + delta)) {
    }
    return found;
}

static void ax_object_share(ax_object *object)
{
    ax_word_store(&object->shared, 1);
}

static bool ax_object_try_acquire(ax_object *object)
{
    uint64_t count = ax_word_load(&object->count);
    while (count != 0 && ax_word_load(&object->shared) != 0) {
        if (ax_word_compare_exchange(&object->count, &count, count + 1)) {
            return true;
        }
    }
    return false;
}

static void ax_object_release(ax_object *object)
{
    if (word_add(&object->count, (uint64_t)-1) == 1) {
        ax_word_store(&object->shared, 0);
        ax_word_store(&object->taken, 0);
    }
}

#include "ax_buckets.h"
#include "ax_counter.h"
#include "ax_entries.h"
#include "ax_float.h"
#include "ax_int.h"
#include "ax_ref.h"

static ax_object *object_make(uint64_t value)
{
    for (;;) {
        for (int i = 0; i < BLOCKS; i++) {
            uint64_t is_free = 0;
            if (ax_word_compare_exchange(&objects[i].taken, &is_free, 1)) {
                for (int j = 0; j < 4; j++) {
                    objects[i].payload[j] = value;
                }
                ax_word_store(&objects[i].count, 1);
                return &objects[i];
            }
        }
    }
}

static void object_read(ax_object *object)
{
    for (int i = 1; i < 4; i++) {
        require(object->payload[i] == object->payload[0], "an object was read while it was made");
    }
}

static struct {
    ax_word integer, floating;
    ax_pointer slot;
    ax_counter counter;
    ax_word drained;
    ax_buckets *buckets;
    ax_word taken; /* of the buckets, by drains */
    ax_entries entries;
    pthread_barrier_t barrier;
} shared;

static size_t stripe_count(void)
{
    return THREADS;
}

static const ax_stripe_system stripe_system = {malloc, free, stripe_count};

static void count_up(uint64_t count, uint64_t thread)
{
    ax_addition addition = ax_counter_try_add(&shared.counter, count);
    if (addition == AX_CONTENDED) {
        addition = ax_counter_add_striped(&shared.counter, count, thread, &stripe_system);
    }
    require(addition == AX_ADDED, "an addition was refused");
}

static void hammer_numbers(void)
{
    int64_t previous, result;
    double found, left;
    for (int i = 0; i < ADDITIONS; i++) {
        require(ax_int_apply(&shared.integer, ax_int_step_add, 1, &previous, &result), "an overflow");
        ax_float_apply(&shared.floating, ax_float_step_add, 1.0, &found, &left);
    }
}

static bool keep_count(void *answer, int64_t drained)
{
    *(int64_t *)answer = drained;
    return true;
}

static int64_t drain(void)
{
    int64_t drained = 0;
    require(ax_counter_drain(&shared.counter, keep_count, &drained), "a drain did nothing");
    return drained;
}

static void hammer_counter(uint64_t thread)
{
    for (int i = 0; i < ADDITIONS; i++) {
        /* On few cores additions rarely meet: from the middle on, go the way of contended additions. */
        if (i == ADDITIONS / 2) {
            require(ax_counter_add_striped(&shared.counter, 1, thread, &stripe_system) == AX_ADDED,
                    "refused");
        } else {
            count_up(i == ADDITIONS - 1 ? AX_STRIPE_LIMIT + 1 : 1, thread);
        }
        require(ax_counter_load(&shared.counter) >= 0, "a negative total");
    }
    (void)word_add(&shared.drained, (uint64_t)drain());
}

static const double bounds[] = {1.0, 2.0};

enum { BUCKETS = 3 };

static bool add_up(void *answer, size_t bucket, uint64_t count)
{
    ((uint64_t *)answer)[bucket] = count;
    return true;
}

static uint64_t drain_buckets(void)
{
    ax_bucket_reading readings[BUCKETS];
    uint64_t counts[BUCKETS];
    double sum;
    require(ax_buckets_drain(shared.buckets, readings, add_up, counts, &sum), "a drain did nothing");
    return counts[0] + counts[1] + counts[2];
}

static void hammer_buckets(uint64_t thread)
{
    for (int i = 0; i < ADDITIONS; i++) {
        double value = 0.5 + (double)(i % BUCKETS);
        size_t bucket = ax_buckets_find(shared.buckets, value);
        /* On few cores observations rarely meet: see hammer_counter. */
        ax_observation left =
            i == ADDITIONS / 2 ? AX_UNCOUNTED : ax_buckets_try_observe(shared.buckets, bucket, value);
        if (left != AX_OBSERVED) {
            ax_buckets_observe_striped(shared.buckets, bucket, value, left, thread, &stripe_system);
        }
        require(ax_buckets_sum(shared.buckets) >= 0.0, "a negative sum");
        require(ax_buckets_load(shared.buckets, bucket) <= THREADS * ADDITIONS, "a count that was not");
    }
    (void)word_add(&shared.taken, drain_buckets());
}

enum { NESTED = 6 }; /* so the entries of all threads together need a second block of places */

/* Each thread is an owner, which leaves its newest entry first. */
static void hammer_entries(uint64_t thread)
{
    for (uint64_t start = 0; start < NESTED; start++) {
        require(ax_entries_enter(&shared.entries, thread + 1, start, &stripe_system), "no memory");
    }
    for (uint64_t left = NESTED, start; left > 0; left--) {
        require(ax_entries_leave(&shared.entries, thread + 1, &start), "an entry is lost");
        require(start == left - 1, "an entry of another owner, or not the newest, was left");
    }
}

static void hammer_ref(uint64_t thread)
{
    ax_object *found = ax_ref_load(&shared.slot);
    object_read(found);
    ax_object *desired = object_make(thread);
    if (ax_ref_compare_and_set(&shared.slot, found, desired)) {
        ax_object_release(found); /* the slot's reference */
    } else {
        ax_object_release(desired);
    }
    ax_object *before = ax_ref_exchange(&shared.slot, object_make(thread));
    object_read(before);
    desired = object_make(thread);
    ax_object *witness = ax_ref_compare_exchange(&shared.slot, before, desired);
    object_read(witness);
    if (witness != before) {
        ax_object_release(desired);
    }
    ax_object_release(witness);
    ax_object_release(before);
    ax_object_release(found);
}

/* Pairs each operation of the backend that publishes with each one that finds: after the second, everything
 * that was written before the first must be visible. Nothing else orders the two. */
static struct {
    ax_word flag;
    ax_pointer pointer;
    ax_word ready; /* finders that have left the barrier */
    int cargo;     /* plain: written before the publication, read after it was found */
} handoff;

static void publish_by_store(void)
{
    ax_word_store(&handoff.flag, 1);
}

static void publish_by_exchange(void)
{
    (void)ax_word_exchange(&handoff.flag, 1);
}

static void publish_by_swap(void)
{
    uint64_t expected = 0;
    (void)ax_word_compare_exchange(&handoff.flag, &expected, 1);
}

static void publish_by_or(void)
{
    (void)ax_word_fetch_or(&handoff.flag, 1);
}

static void publish_by_add(void)
{
    (void)ax_word_fetch_add(&handoff.flag, 1);
}

static void publish_pointer_by_exchange(void)
{
    (void)ax_pointer_exchange(&handoff.pointer, &handoff.cargo);
}

static void publish_pointer_by_swap(void)
{
    void *expected = NULL;
    (void)ax_pointer_compare_exchange(&handoff.pointer, &expected, &handoff.cargo);
}

static bool find_by_load(void)
{
    return ax_word_load(&handoff.flag) != 0;
}

static bool find_by_or(void)
{
    return ax_word_fetch_or(&handoff.flag, 0) != 0;
}

static bool find_by_add(void)
{
    return ax_word_fetch_add(&handoff.flag, 0) != 0;
}

static bool find_by_failed_swap(void)
{
    uint64_t expected = 0;
    return !ax_word_compare_exchange(&handoff.flag, &expected, 0);
}

static bool find_pointer_by_load(void)
{
    return ax_pointer_load(&handoff.pointer) != NULL;
}

static bool find_pointer_by_failed_swap(void)
{
    void *expected = NULL;
    return !ax_pointer_compare_exchange(&handoff.pointer, &expected, NULL);
}

static const struct {
    void (*publish)(void);
    bool (*find)(void);
} handoffs[] = {
    {publish_by_store, find_by_load},
    {publish_by_exchange, find_by_load},
    {publish_by_swap, find_by_load},
    {publish_by_or, find_by_load},
    {publish_by_add, find_by_load},
    {publish_by_store, find_by_or},
    {publish_by_store, find_by_add},
    {publish_by_store, find_by_failed_swap},
    {publish_pointer_by_exchange, find_pointer_by_load},
    {publish_pointer_by_swap, find_pointer_by_load},
    {publish_pointer_by_exchange, find_pointer_by_failed_swap},
};

enum { HANDOFFS = sizeof handoffs / sizeof *handoffs, HANDOFF_ROUNDS = 20 };

static void hammer_handoff(uint64_t thread, int kind, int round)
{
    pthread_barrier_wait(&shared.barrier);
    if (thread == 0) {
        /* To ThreadSanitizer, a late leaver of a barrier comes after an early returner: wait for them. */
        while (ax_word_load(&handoff.ready) != THREADS - 1) {
            sched_yield();
        }
        handoff.cargo = round;
        handoffs[kind].publish();
    } else {
        (void)word_add(&handoff.ready, 1);
        while (!handoffs[kind].find()) {
            sched_yield();
        }
        require(handoff.cargo == round, "a publication came before what it publishes");
    }
    pthread_barrier_wait(&shared.barrier);
    if (thread == 0) {
        ax_word_store(&handoff.ready, 0);
        ax_word_store(&handoff.flag, 0);
        (void)ax_pointer_exchange(&handoff.pointer, NULL);
    }
}

static void *hammer(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < HANDOFFS * HANDOFF_ROUNDS; i++) {
        hammer_handoff(thread, i % HANDOFFS, i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&shared.barrier);
        hammer_entries(thread); /* first: only threads that enter at once make the places together */
        hammer_numbers();
        hammer_counter(thread);
        hammer_buckets(thread);
        for (int i = 0; i < ADDITIONS; i++) {
            hammer_ref(thread);
        }
        pthread_barrier_wait(&shared.barrier);
        if (thread == 0) { /* the others wait at the next barrier */
            uint64_t left = (uint64_t)ax_counter_load(&shared.counter) + ax_word_load(&shared.drained);
            require(left == THREADS * (AX_STRIPE_LIMIT + ADDITIONS), "a count was lost or doubled");
            ax_counter_free(&shared.counter, &stripe_system);
            ax_counter_init(&shared.counter);
            ax_word_store(&shared.drained, 0);
            left = drain_buckets() + ax_word_load(&shared.taken);
            require(left == THREADS * ADDITIONS, "an observation was lost or doubled");
            ax_buckets_free(shared.buckets, &stripe_system);
            shared.buckets = ax_buckets_new(bounds, BUCKETS - 1, &stripe_system);
            ax_word_store(&shared.taken, 0);
            require(ax_word_load(&shared.entries.count) == 0, "an entry is left over");
            ax_entries_free(&shared.entries, &stripe_system);
            (void)ax_pointer_exchange(&shared.entries.more, NULL); /* the next round makes blocks again */
        }
    }
    return NULL;
}

/* The planted bug: ax_ref as it would be with a relaxed swap. */
static void *publish_unordered(void *argument)
{
    static ax_object *published;
    if (argument == NULL) {
        __atomic_store_n(&published, object_make(1), __ATOMIC_RELAXED);
    } else {
        ax_object *found;
        while ((found = __atomic_load_n(&published, __ATOMIC_RELAXED)) == NULL) {
        }
        object_read(found);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_barrier_init(&shared.barrier, NULL, THREADS);
    if (count > 1 && strcmp(arguments[1], "--planted") == 0) {
        run(publish_unordered);
        return 0;
    }
    ax_counter_init(&shared.counter);
    shared.buckets = ax_buckets_new(bounds, BUCKETS - 1, &stripe_system);
    require(shared.buckets != NULL, "no memory");
    ax_ref_init(&shared.slot, object_make(0));
    run(hammer);
    ax_counter_free(&shared.counter, &stripe_system);
    ax_buckets_free(shared.buckets, &stripe_system);
    require(ax_int_load(&shared.integer) == THREADS * ROUNDS * ADDITIONS, "a sum is wrong");
    require(ax_float_load(&shared.floating) == THREADS * ROUNDS * ADDITIONS, "a float sum is wrong");
    ax_object_release(shared.slot.address);
    for (int i = 0; i < BLOCKS; i++) {
        require(objects[i].taken.bits == 0 && objects[i].count.bits == 0, "a reference is left over");
    }
    printf("%d threads, %d rounds: sums, counts and references are exact\n", THREADS, ROUNDS);
    return 0;
}
