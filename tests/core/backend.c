/* backend.c: checks the contract of ax_atomic.h for the backend that this file is compiled with.
 *
 *   backend           what each function returns and leaves behind, and under threads: no word is torn, no
 *                     change is lost. Status 0 if all holds
 *   backend --split   threads add by a load and a store, which has to lose something here: status 1, and it
 *                     says so
 *
 * hammer.c checks the orders. Values differ in both halves, since a 32-bit processor handles each half
 * separately. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ax_atomic.h"
#include "threads.h"

enum { ROUNDS = 2000000, SPLIT_ROUNDS = 20000, MOST_BATCHES = 1000 };

static const uint64_t values[] = {
    0, 1, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(0x0123456789ABCDEF),
};

enum { VALUES = sizeof values / sizeof *values };

static void check_words(uint64_t first, uint64_t second)
{
    ax_word word;
    ax_word_store(&word, first);
    require(ax_word_load(&word) == first, "a load is not what was stored");
    require(ax_word_exchange(&word, second) == first && ax_word_load(&word) == second, "an exchange");
    uint64_t expected = second;
    require(ax_word_compare_exchange(&word, &expected, first), "a swap that was due");
    require(expected == second && ax_word_load(&word) == first, "what a swap leaves");
    expected = second;
    require(ax_word_compare_exchange(&word, &expected, second) == (first == second),
            "a swap that was not due");
    require(expected == first, "the witness");
    require(ax_word_load(&word) == first, "a failed swap changed something");
    require(ax_word_fetch_or(&word, second) == first, "what fetch_or returns");
    require(ax_word_load(&word) == (first | second), "what fetch_or leaves");
    ax_word_store(&word, first);
    require(ax_word_fetch_add(&word, second) == first, "what fetch_add returns");
    require(ax_word_load(&word) == first + second, "what fetch_add leaves");
}

static void check_pointers(void)
{
    int first, second;
    ax_pointer pointer = {&first};
    require(ax_pointer_load(&pointer) == &first, "a pointer loaded");
    require(ax_pointer_exchange(&pointer, &second) == &first, "a pointer exchanged");
    void *expected = &first;
    require(!ax_pointer_compare_exchange(&pointer, &expected, NULL), "a pointer's swap that was not due");
    require(expected == &second && ax_pointer_load(&pointer) == &second, "a pointer's witness");
    require(ax_pointer_compare_exchange(&pointer, &expected, NULL), "a pointer's swap that was due");
    require(ax_pointer_exchange(&pointer, &first) == NULL, "what a pointer's swap leaves");
}

static struct {
    ax_word halves;  /* the halves are always equal */
    ax_word sum;     /* of additions by compare-and-swap */
    ax_word added;   /* of additions by fetch_add */
    ax_word tickets; /* the number last taken out by exchange, put back plus 1 */
    ax_word split;   /* of additions by a load and a store */
    ax_word bits;    /* one per thread, set by fetch_or, cleared by compare-and-swap */
    pthread_barrier_t barrier;
} shared;

/* Returns a word with the number in both halves. */
static uint64_t twice(uint64_t number)
{
    return number << 32 | number;
}

static void check_halves(uint64_t value)
{
    require(value >> 32 == (value & UINT32_MAX), "a word was torn");
}

static void *contend(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    pthread_barrier_wait(&shared.barrier);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t number = twice(round * THREADS + thread), found = ax_word_load(&shared.sum);
        while (!ax_word_compare_exchange(&shared.sum, &found, found + number)) {
        }
        (void)ax_word_fetch_add(&shared.added, number);
        ax_word_store(&shared.halves, number);
        check_halves(ax_word_load(&shared.halves));
        check_halves(ax_word_exchange(&shared.halves, twice(thread)));
        uint64_t mask = UINT64_C(1) << (thread * 31);
        found = ax_word_fetch_or(&shared.bits, mask);
        require((found & mask) == 0, "a bit came back");
        found = ax_word_load(&shared.bits);
        do {
            require((found & mask) != 0, "a bit was lost");
        } while (!ax_word_compare_exchange(&shared.bits, &found, found & ~mask));
        uint64_t ticket = ax_word_exchange(&shared.tickets, 0);
        if (ticket != 0) {
            require(ax_word_exchange(&shared.tickets, ticket + 1) == 0, "two threads had the one ticket");
        }
    }
    return NULL;
}

static void *add_split(void *argument)
{
    (void)argument;
    pthread_barrier_wait(&shared.barrier);
    for (int round = 0; round < SPLIT_ROUNDS; round++) {
        uint64_t found = ax_word_load(&shared.split);
        if (round % 100 == 0) {
            sched_yield();
        }
        ax_word_store(&shared.split, found + 1);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_barrier_init(&shared.barrier, NULL, THREADS);
    if (count > 1 && strcmp(arguments[1], "--split") == 0) {
        for (uint64_t batch = 1; batch <= MOST_BATCHES; batch++) {
            run(add_split);
            require(ax_word_load(&shared.split) == batch * THREADS * SPLIT_ROUNDS,
                    "a split addition was lost");
        }
        return 0;
    }
    for (int i = 0; i < VALUES; i++) {
        for (int j = 0; j < VALUES; j++) {
            check_words(values[i], values[j]);
        }
    }
    check_pointers();
    ax_word_store(&shared.tickets, 1);
    run(contend);
    uint64_t sum = 0;
    for (uint64_t thread = 0; thread < THREADS; thread++) {
        for (uint64_t round = 0; round < ROUNDS; round++) {
            sum += twice(round * THREADS + thread);
        }
    }
    require(ax_word_load(&shared.sum) == sum, "an addition was lost");
    require(ax_word_load(&shared.added) == sum, "an addition by fetch_add was lost");
    require(ax_word_load(&shared.bits) == 0, "a bit is left over");
    require(ax_word_load(&shared.tickets) > 1, "the ticket was lost");
    printf("the contract holds: words and pointers of %d bits, %d threads\n", (int)sizeof(void *) * 8,
           THREADS);
    return 0;
}
