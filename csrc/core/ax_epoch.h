/* ax_epoch.h: tells when memory that was taken out of a shared structure can no longer be in use.
 *
 * Purpose. A reader follows pointers through a structure without a lock and without writing to it. Whoever
 * takes something out of the structure must not free it before every reader that may have found it is gone.
 *
 * How to use. A reader enters a section, reads, and leaves. Whoever has unlinked something asks for the epoch
 * afterwards (ax_epoch_now), keeps the thing with that number, and frees it once ax_epoch_is_over(number).
 * ax_epoch_advance moves the epoch on if it can. Nobody ever waits.
 *
 * In a section there is no Python code, no exception, no fork, and nothing that waits for another thread. An
 * allocation is allowed, if it neither collects garbage nor runs Python code.
 *
 * How. One number, the epoch, and two counters per stripe. A reader adds one to its stripe's counter for the
 * parity of the epoch, and then looks at the epoch again; if it has moved, the reader takes its count back and
 * starts over. The epoch moves from e to e + 1 only after all counters of the other parity, that of e - 1 and
 * of e + 1, were seen at zero while it was e.
 *
 * Why it is right. Let a reader's second look have found epoch e. Its count was there before that look. To move
 * from e + 1 to e + 2, a thread first reads e + 1, which is after the second look, and then has to see the
 * counters of e's parity at zero, so it sees the reader's count unless the reader has left. Hence the epoch is
 * at most e + 1 while the reader is in its section. What the reader finds was unlinked after its second look,
 * so the number that was asked for afterwards, r, is at least e. When the epoch is r + 2 or more, the reader
 * has left.
 *
 * What it rests on. The order of a reader's count before its reads, and of the unlinking before the look at
 * the counters: sequential consistency (store buffering, see litmus/epoch-*).
 *
 * Cost. To enter is two loads of a line that hardly ever changes and one addition to a line that hardly any
 * other thread writes; to leave is one addition. With AX_SERIALIZED sections cannot overlap with anything, and
 * all of this is nothing.
 *
 * Weak spot. A thread that the system stops in the middle of its section holds up the epoch, and what is
 * retired meanwhile piles up. A section is short, so this lasts as long as the system keeps the thread from
 * running.
 *
 * Forks. A forked child has only the thread that forked, which was in no section; the counts of the others
 * are of threads that do not exist. ax_epoch_forget, which the includer has the system call in each child
 * before anything else runs there, sets all counters to zero. The epoch stays: a thread that was about to move
 * it is gone, and moving it is one compare-and-swap.
 *
 * There is one set of epochs per process, since threads and forks are the process's. Readers of different
 * structures share it, as do interpreters: they can only hold up each other's memory, for a moment.
 *
 * Progress: entering is lock-free, a retry means that another thread moved the epoch; all else is wait-free.
 */
#ifndef AX_EPOCH_H
#define AX_EPOCH_H

#include "ax_stripe.h"

#if defined(AX_SERIALIZED) && AX_SERIALIZED
#define AX_EPOCH_IS_NEEDED 0
#else
#define AX_EPOCH_IS_NEEDED 1
#endif

#if AX_EPOCH_IS_NEEDED

/* Processors fetch lines in pairs, so a stripe has two. */
typedef struct {
    _Alignas(2 * AX_CACHE_LINE) ax_word inside[2]; /* atomic: sections entered at even and odd epochs */
} ax_epoch_stripe;

typedef struct {
    ax_word epoch; /* atomic: only grows */
    ax_word mask;  /* atomic: the number of stripes, a power of two, less one; immutable from the first section on */
    ax_epoch_stripe stripes[AX_MAX_STRIPES];
} ax_epochs;

#if defined(__GNUC__) || defined(__clang__)
__attribute__((visibility("hidden")))
#endif
extern ax_epochs ax_process_epochs;

/* What a section hands to its end. */
typedef ax_word *ax_section;

/* Enters a section. The number of the thread picks its stripe. */
AX_INLINE ax_section ax_section_enter(uint64_t thread)
{
    ax_epoch_stripe *stripe =
        &ax_process_epochs.stripes[(size_t)(thread & ax_word_load(&ax_process_epochs.mask))];
    for (;;) {
        uint64_t epoch = ax_word_load(&ax_process_epochs.epoch);
        ax_word *inside = &stripe->inside[epoch & 1];
        (void)ax_word_fetch_add(inside, 1);
        if (ax_word_load(&ax_process_epochs.epoch) == epoch) {
            return inside;
        }
        (void)ax_word_fetch_add(inside, (uint64_t)-1);
    }
}

AX_INLINE void ax_section_leave(ax_section section)
{
    (void)ax_word_fetch_add(section, (uint64_t)-1);
}

/* For whoever has just unlinked something: the number to keep with it. */
AX_INLINE uint64_t ax_epoch_now(void)
{
    return ax_word_load(&ax_process_epochs.epoch);
}

/* Whether whatever was unlinked before ax_epoch_now gave this number can be freed. */
AX_INLINE bool ax_epoch_is_over(uint64_t number)
{
    return ax_word_load(&ax_process_epochs.epoch) - number >= 2;
}

/* Moves the epoch on by one, unless a section is in the way. True if this or another thread moved it. */
bool ax_epoch_advance(void);

/* Chooses the number of stripes, for so many processors. To be called before the first section, by each that may
 * be the first; one stripe is what there is without it. */
void ax_epoch_start(size_t processors);

/* In a forked child, before any section: the threads that were in one are gone. */
void ax_epoch_forget(void);

#else

typedef char ax_section;

AX_INLINE ax_section ax_section_enter(uint64_t thread)
{
    (void)thread;
    return 0;
}

AX_INLINE void ax_section_leave(ax_section section)
{
    (void)section;
}

#endif

#endif
