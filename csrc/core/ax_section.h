/* ax_section.h: tells when memory taken out of a shared structure can no longer be in use.
 *
 * Purpose. A reader follows pointers through a structure without a lock, and writes to no memory that other
 * threads write. A thread that takes something out of the structure must not free it before every reader that
 * may have found it is gone.
 *
 * How to use. The structure hangs from one pointer, its root, and what is reachable from a root does not
 * change. A reader enters a section, loads the root with ax_section_load, reads on from there, and leaves.
 * Each block of the structure has a lifetime: from the era in which it was made (ax_era_now, read before its
 * root is published) to the era in which it was retired (ax_era_next, called after the last root that reaches
 * it was replaced). It can be freed when no section is in an era of its lifetime (ax_sections_look,
 * ax_sections_protect). No thread ever waits.
 *
 * In a section, do not run Python code, raise an exception, or wait for another thread. An allocation is
 * allowed if it neither collects garbage nor runs Python code. Sections of a thread do not nest.
 *
 * How. The era is a number that grows whenever something is retired. A section owns a slot, in which it
 * publishes the era; 0 means that the slot is free. After it has loaded the root, it checks whether the era
 * is still the same; if not, it publishes the new era and loads again.
 *
 * Why it is right. Let t be the era that a section has published when its load of the root ends. t was the
 * era before that load and after it, so also during it.
 *   - What the reader finds was made before the load, and its first era was read before that, so it is at
 *     most t.
 *   - What the reader finds was replaced after the load, and its last era was read after that, so it is at
 *     least t.
 *   - A thread looks at the slots after the last era was read, so after t was published: it sees t there
 *     unless the section has ended or has loaded again.
 *
 * So t lies in the lifetime of everything that the section has found, and the thread that looks keeps it.
 *
 * Bounded. A section protects only blocks whose lifetime contains its era: what was in the structure at one
 * moment, however long the system keeps its thread from running, and whatever is made and retired meanwhile.
 *
 * What it rests on. The publication comes before the load, and the replacement before the look at the slots.
 * This needs sequential consistency (store buffering, see litmus/section-*).
 *
 * Cost. Entering is a load, and a compare-and-swap in the thread's own line. Loading the root is one more
 * load from a line that changes with the structure. Leaving is a store. With AX_SERIALIZED, sections cannot
 * overlap with anything, and all of this costs nothing.
 *
 * Forks. A forked child has only the thread that forked; the other slots belong to threads that do not exist
 * there. ax_sections_forget frees all slots; the includer has the system call it in each child before
 * anything else runs there. If a signal handler forked in the middle of a section, that section continues in
 * the child without its slot, because there is no other thread that could free anything.
 *
 * One set of slots serves the process, since threads and forks belong to the process. Readers of different
 * structures share it, and so do interpreters: at most they delay the release of each other's memory for a
 * moment. If there are more sections than slots, the sections without a slot protect everything while they
 * last.
 *
 * Progress: entering is wait-free; ax_section_load is lock-free: it repeats only if the era has changed.
 */
#ifndef AX_SECTION_H
#define AX_SECTION_H

#include "ax_stripe.h"

#if defined(AX_SERIALIZED) && AX_SERIALIZED
#define AX_SECTIONS_OVERLAP 0
#else
#define AX_SECTIONS_OVERLAP 1
#endif

#if AX_SECTIONS_OVERLAP

#ifndef AX_SECTION_SLOTS
#define AX_SECTION_SLOTS 8 /* per stripe: one cache line. A build for the explorer may have fewer */
#endif

/* Processors fetch lines in pairs, so a stripe takes two. */
typedef struct {
    _Alignas(2 * AX_CACHE_LINE) ax_word slots[AX_SECTION_SLOTS]; /* atomic: the eras of sections; 0: free */
} ax_section_stripe;

typedef struct {
    ax_word era;   /* atomic: the era minus one; only grows */
    ax_word mask;  /* atomic: the number of stripes, a power of two, minus one; immutable from the first
                      section on */
    ax_word crowd; /* atomic: the number of sections without a slot */
    ax_section_stripe stripes[AX_MAX_STRIPES];
} ax_sections;

#if defined(__GNUC__) || defined(__clang__)
__attribute__((visibility("hidden")))
#endif
extern ax_sections ax_process_sections;

typedef struct {
    ax_word *slot; /* NULL: one of the crowd */
    uint64_t era;  /* the era published there */
} ax_section;

AX_INLINE uint64_t ax_era_now(void)
{
    return ax_word_load(&ax_process_sections.era) + 1;
}

/* Returns the era and ends it: a section that loads a root after this is in a later era. */
AX_INLINE uint64_t ax_era_next(void)
{
    return ax_word_fetch_add(&ax_process_sections.era, 1) + 1;
}

/* The rest of ax_section_enter, if the first slot of the stripe is taken. Wait-free. */
ax_section ax_section_enter_elsewhere(uint64_t thread, uint64_t era);
void ax_section_leave_crowd(void);

/* Enters a section. The thread's number picks its stripe. */
AX_INLINE ax_section ax_section_enter(uint64_t thread)
{
    uint64_t stripe = thread & ax_word_load(&ax_process_sections.mask);
    ax_word *slot = &ax_process_sections.stripes[(size_t)stripe].slots[0];
    uint64_t era = ax_era_now(), free = 0;
    if (!ax_word_compare_exchange(slot, &free, era)) {
        return ax_section_enter_elsewhere(thread, era);
    }
    return (ax_section){slot, era};
}

/* Loads a root. What was found from an earlier root is no longer protected. Linearization point: the last
 * load. */
AX_INLINE void *ax_section_load(ax_section *section, const ax_pointer *root)
{
    for (;;) {
        void *found = ax_pointer_load(root);
        uint64_t era = ax_era_now();
        if (era == section->era) {
            return found;
        }
        section->era = era;
        if (section->slot != NULL) {
            ax_word_store(section->slot, era);
        }
    }
}

AX_INLINE void ax_section_leave(ax_section section)
{
    if (section.slot == NULL) {
        ax_section_leave_crowd();
    } else {
        ax_word_store(section.slot, 0);
    }
}

enum { AX_SECTIONS_SEEN = 64 };

/* The sections seen in one look at all slots. */
typedef struct {
    size_t count;
    bool crowd; /* there are sections whose eras are not known */
    ax_section seen[AX_SECTIONS_SEEN];
} ax_sections_view;

/* Looks at all slots. Wait-free. */
void ax_sections_look(ax_sections_view *view);

/* Returns a section that was seen and may read a block that was made and retired in these eras, before the
 * look; NULL if there is none. If some eras are not known, it may be any section that was seen, or one
 * without a slot. */
const ax_section *ax_sections_protect(const ax_sections_view *view, uint64_t made, uint64_t retired);

/* Whether a section that was seen still exists and is in the same era. */
bool ax_section_lasts(const ax_section *seen);

/* Chooses the number of stripes for this number of processors. To be called before the first section, by
 * every caller that may be the first; without it there is one stripe. */
void ax_sections_start(size_t processors);

/* To be called in a forked child before any section: the threads that were in one are gone. */
void ax_sections_forget(void);

#else

typedef char ax_section;

AX_INLINE ax_section ax_section_enter(uint64_t thread)
{
    (void)thread;
    return 0;
}

AX_INLINE void *ax_section_load(ax_section *section, const ax_pointer *root)
{
    (void)section;
    return ax_pointer_load(root);
}

AX_INLINE void ax_section_leave(ax_section section)
{
    (void)section;
}

#endif

#endif
