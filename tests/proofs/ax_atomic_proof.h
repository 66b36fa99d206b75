/* ax_atomic_proof.h: the contract of ax_atomic.h for the proofs. Included only by ax_atomic.h.
 *
 * Other threads: before each access to the word that a proof is about, they may have replaced its value by
 * anything that the contract's `given` allows, OTHERS times in all. What an operation does next depends only
 * on the value that it found, not on anything before, so more changes would lead to no new state.
 *
 * found and left hold what the last access found and left; changes counts the accesses that wrote. */
#ifndef AX_ATOMIC_PROOF_H
#define AX_ATOMIC_PROOF_H

void __ESBMC_assume(_Bool condition);
void __ESBMC_assert(_Bool condition, const char *text);
_Bool nondet_bool(void);
uint64_t nondet_uint64_t(void);

#define AX_ASSERT_FAILED(text) __ESBMC_assert(0, "AX_ASSERT: " text)

static uint64_t found, left;
static int changes;

/* The word that others change too, NULL if there is none; how often they still may; what they keep true. */
static ax_word *contended;
static int others;
static bool given(void);

static void disturb(const ax_word *word)
{
    if (word == contended && others > 0 && nondet_bool()) {
        others--;
        contended->bits = nondet_uint64_t();
        __ESBMC_assume(given());
    }
}

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
    disturb(word);
    found = left = word->bits;
    return found;
}

AX_INLINE uint64_t ax_word_exchange(ax_word *word, uint64_t desired)
{
    disturb(word);
    found = word->bits;
    word->bits = left = desired;
    changes++;
    return found;
}

AX_INLINE void ax_word_store(ax_word *word, uint64_t desired)
{
    (void)ax_word_exchange(word, desired);
}

AX_INLINE bool ax_word_compare_exchange(ax_word *word, uint64_t *expected, uint64_t desired)
{
    disturb(word);
    if (word->bits != *expected) {
        *expected = found = left = word->bits;
        return false;
    }
    found = *expected; /* the same, in the expression that the caller computed with: easier to solve */
    word->bits = left = desired;
    changes++;
    return true;
}

AX_INLINE uint64_t ax_word_fetch_or(ax_word *word, uint64_t mask)
{
    disturb(word);
    found = word->bits;
    word->bits = left = found | mask;
    changes++;
    return found;
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
    return pointer->address;
}

AX_INLINE void *ax_pointer_exchange(ax_pointer *pointer, void *desired)
{
    void *previous = pointer->address;
    pointer->address = desired;
    return previous;
}

AX_INLINE bool ax_pointer_compare_exchange(ax_pointer *pointer, void **expected, void *desired)
{
    if (pointer->address != *expected) {
        *expected = pointer->address;
        return false;
    }
    pointer->address = desired;
    return true;
}

#endif
