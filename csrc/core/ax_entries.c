/* ax_entries.c: see ax_entries.h. */
#include "ax_entries.h"

#include <string.h>

enum { FEWEST_PLACES = 7, MOST_PLACES = 4096 }; /* per block */

/* Makes a block of free places. NULL: no memory. */
static ax_place_block *places_new(size_t count, const ax_stripe_system *system)
{
    size_t size = sizeof(ax_place_block) + count * sizeof(ax_place);
    ax_place_block *block = system->allocate(size);
    if (block != NULL) {
        memset(block, 0, size);
        block->count = count;
    }
    return block;
}

/* Returns the block in slot; if there is none, makes one with count places. NULL: no memory. */
static ax_place_block *places_ensure(ax_pointer *slot, size_t count, const ax_stripe_system *system)
{
    void *found = ax_pointer_load(slot);
    if (found != NULL) {
        return found;
    }
    ax_place_block *block = places_new(count, system);
    if (block != NULL && !ax_pointer_compare_exchange(slot, &found, block)) {
        system->release(block); /* nobody has seen it */
        return found;
    }
    return block;
}

/* Takes a place other than the first for owner. NULL: all are taken, and there is no memory for more. */
ax_place *ax_entries_claim(ax_entries *entries, uint64_t owner, const ax_stripe_system *system)
{
    ax_pointer *slot = &entries->more;
    for (size_t count = FEWEST_PLACES;;) {
        ax_place_block *block = places_ensure(slot, count, system);
        if (block == NULL) {
            return NULL;
        }
        for (size_t i = 0; i < block->count; i++) {
            uint64_t found = ax_word_load(&block->places[i].owner);
            if (found == 0 && ax_word_compare_exchange(&block->places[i].owner, &found, owner)) {
                return &block->places[i];
            }
        }
        slot = &block->next;
        count = block->count < MOST_PLACES ? 2 * block->count : block->count;
    }
}

/* An entry that was seen: its place (NULL: none) and its start as stored there. */
typedef struct {
    ax_place *place;
    uint64_t start;
} Seen;

/* Looks at a place for an entry of owner's newer than the one seen so far, or, for any owner, the first
 * entry. */
static void look(ax_place *place, bool any, uint64_t owner, Seen *seen)
{
    uint64_t start = ax_word_load(&place->start); /* before the owner: see ax_entries.h */
    if (!any && ax_word_load(&place->owner) != owner) {
        return;
    }
    if (start > seen->start && (!any || seen->place == NULL)) {
        *seen = (Seen){.place = place, .start = start};
    }
}

static Seen search(ax_entries *entries, bool any, uint64_t owner)
{
    Seen seen = {.place = NULL, .start = 0};
    look(&entries->first, any, owner, &seen);
    for (ax_place_block *block = ax_pointer_load(&entries->more); block != NULL;
         block = ax_pointer_load(&block->next)) {
        for (size_t i = 0; i < block->count; i++) {
            look(&block->places[i], any, owner, &seen);
        }
    }
    return seen;
}

bool ax_entries_leave_any(ax_entries *entries, uint64_t owner, uint64_t *start)
{
    for (;;) {
        Seen seen = owner == 0 ? (Seen){.place = NULL} : search(entries, false, owner);
        if (seen.place == NULL) {
            seen = search(entries, true, 0);
            if (seen.place == NULL || ax_word_load(&entries->count) != 1) {
                return false;
            }
        }
        if (ax_entries_take(entries, seen.place, seen.start)) {
            *start = seen.start - 1;
            return true;
        }
    }
}

void ax_entries_free(ax_entries *entries, const ax_stripe_system *system)
{
    ax_place_block *block = ax_pointer_load(&entries->more);
    while (block != NULL) {
        ax_place_block *next = ax_pointer_load(&block->next);
        system->release(block);
        block = next;
    }
}
