/* ax_entries.h: remembers when each of many overlapping visits began, until it ends.
 *
 * How to use. Zeroed memory has no entries. To enter, the caller gives an owner (any number except 0) and a
 * start time. To leave, it gives the owner, and gets the time at which the entry began. An owner's own
 * entries nest: the newest is left first. Only one thread at a time acts for an owner; any number of threads
 * may act for different owners at once.
 *
 * Leaving for an owner without an entry (0 never has one) takes the only entry there is, whoever owns it. If
 * there is more than one, it cannot know which is meant, and takes none.
 *
 * How it works. An entry has a place: a word for its owner, and one for its start. A compare-and-swap of the
 * owner's word from 0 takes a free place; storing the start enters. A compare-and-swap of the start to 0
 * leaves; storing 0 for the owner frees the place. There is one place from the beginning. More places come in
 * blocks, each larger than the one before, in a list that only grows until ax_entries_free, so it can be
 * searched without regard to the blocks' lifetime. So the memory is at most a small multiple of what the
 * largest number of simultaneous entries took.
 *
 * Why it is right. Only a call on behalf of an owner sets an owner's word to that owner. So an owner that
 * reads a start, and after that finds its own number in the owner's word, has had the place since it entered
 * there: the start is its own, or 0 if another owner took the entry as the only one. (In the other order,
 * somebody else could take and enter the place between the two reads.) Every call that changes a start to 0
 * has read it before, so each entry is taken once, and starts tell entries apart. If a place is left and
 * entered again within one nanosecond, the two entries have the same start, and it does not matter which of
 * them was taken.
 *
 * `count` is raised before the start is stored, and lowered after the start was taken, so it is never less
 * than the number of entries. So an entry that is there while count is 1 is the only one. If a leave first
 * sees an entry, then reads 1, and then takes that entry, it was the only entry at the moment of that read.
 *
 * Linearization points. Enter: the store of the start. Leave: the compare-and-swap that takes the start. A
 * leave that takes nothing is exact if nothing overlaps it; while another leave is about to lower the count,
 * it may see more entries than there are.
 *
 * Progress: lock-free. A leave starts over only because another one took the entry that it saw. Each call
 * looks through all places at most. If the first place is free on entering, and the owner's own on leaving,
 * the call does not look at the others. A fork between two steps of a thread that the child does not have
 * leaves a place taken, or the count too high. No owner is hindered by that; only the rule about taking the
 * only entry no longer applies.
 *
 * Runs no Python code. Orders are sequentially consistent throughout.
 */
#ifndef AX_ENTRIES_H
#define AX_ENTRIES_H

#include "ax_atomic.h"
#include "ax_stripe.h"

typedef struct {
    ax_word owner; /* atomic: the owner of the place; 0: none */
    ax_word start; /* atomic: when the entry began, plus 1; 0: not entered yet, or left */
} ax_place;

typedef struct {
    ax_pointer next; /* atomic: the next block; NULL until it is needed, then never changed */
    size_t count;    /* immutable after creation: the number of places */
    ax_place places[];
} ax_place_block;

typedef struct {
    ax_word count; /* atomic: at least the number of entries */
    ax_place first;
    ax_pointer more; /* atomic: the first block; like ax_place_block.next */
} ax_entries;

/* The slow paths: further places, and other owners' entries. See below. */
ax_place *ax_entries_claim(ax_entries *entries, uint64_t owner, const ax_stripe_system *system);
bool ax_entries_leave_any(ax_entries *entries, uint64_t owner, uint64_t *start);

/* Only for a caller that has the entries to itself, at their end. */
void ax_entries_free(ax_entries *entries, const ax_stripe_system *system);

AX_INLINE void ax_entries_recount(ax_entries *entries, uint64_t change)
{
    uint64_t found = ax_word_load(&entries->count);
    while (!ax_word_compare_exchange(&entries->count, &found, found + change)) {
    }
}

/* Takes the entry out of its place, if its start is still `start` (as stored in the place). */
AX_INLINE bool ax_entries_take(ax_entries *entries, ax_place *place, uint64_t start)
{
    if (!ax_word_compare_exchange(&place->start, &start, 0)) {
        return false;
    }
    ax_word_store(&place->owner, 0);
    ax_entries_recount(entries, UINT64_MAX); /* one less */
    return true;
}

/* Enters for owner, which is not 0, at `start`. False: no memory for another place, and nothing was
 * entered. */
AX_INLINE bool ax_entries_enter(ax_entries *entries, uint64_t owner, uint64_t start,
                                const ax_stripe_system *system)
{
    uint64_t nobody = 0;
    ax_place *place = &entries->first;
    ax_entries_recount(entries, 1);
    if (!ax_word_compare_exchange(&place->owner, &nobody, owner)) {
        place = ax_entries_claim(entries, owner, system);
        if (place == NULL) {
            ax_entries_recount(entries, UINT64_MAX);
            return false;
        }
    }
    ax_word_store(&place->start, start + 1);
    return true;
}

/* Leaves owner's newest entry or, if it has none, the only entry of all. True: *start is its start. False:
 * there is no entry to leave, and nothing changed. */
AX_INLINE bool ax_entries_leave(ax_entries *entries, uint64_t owner, uint64_t *start)
{
    uint64_t found = ax_word_load(&entries->first.start); /* before the owner */
    if (found != 0 && ax_word_load(&entries->first.owner) == owner && ax_word_load(&entries->count) == 1 &&
        ax_entries_take(entries, &entries->first, found)) {
        *start = found - 1;
        return true;
    }
    return ax_entries_leave_any(entries, owner, start);
}

#endif
