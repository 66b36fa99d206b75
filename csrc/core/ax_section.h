/* ax_section.h: tells when memory that was taken out of a shared structure can no longer be in use.
 *
 * Purpose. A reader follows pointers through a structure without a lock, and writes to no memory that other
 * threads write. Whoever takes something out of the structure must not free it before every reader that may
 * have found it is gone.
 *
 * How to use. The structure hangs on one pointer, its root, and what is reachable from a root does not
 * change. A reader enters a section, loads the root by ax_section_load, reads on from there, and leaves. Each
 * block of the structure has a lifetime: from the era in which it was made (ax_era_now, asked before its root
 * is published) to the era in which it was retired (ax_era_next, asked after the last root that reaches it
 * was replaced). It can be freed when no section is in an era of its lifetime (ax_sections_look,
 * ax_sections_protect). Nobody ever waits.
 *
 * In a section there is no Python code, no exception, and nothing that waits for another thread. An
 * allocation is allowed, if it neither collects garbage nor runs Python code. Sections of a thread do not
 * nest.
 *
 * How. The era is a number that grows whenever something is retired. A section owns a slot, in which it
 * publishes the era; 0 is a free slot. After it has loaded the root, it looks whether that is still the era;
 * if not, it publishes the new one and loads again.
 *
 * Why it is right. Let t be the era that a section has published when its load of the root ends. It was the
 * era before that load, and after it, so also during it.
 *   - What the reader finds was made before: its first era was asked before the load, so it is at most t.
 *   - What the reader finds was replaced after the load, and its last era was asked after that, so it is at
 * least t.
 *   - Whoever looks at the slots does so after the last era was asked, so after t was published: it sees t
 * there unless the section has ended, or has loaded again. So t lies in the lifetime of all that the section
 * has found, and whoever looks keeps it.
 *
 * Bounded. A section holds up only blocks whose lifetime its era is in: what was in the structure at one
 * moment, however long the system keeps its thread from running, and whatever is made and retired meanwhile.
 *
 * What it rests on. The order of the publication before the load, and of the replacement before the look at
 * the slots: sequential consistency (store buffering, see litmus/section-*).
 *
 * Cost. To enter is a load and a compare-and-swap in a line of the thread's own, to load the root one more
 * load of a line that changes with the structure, to leave a store. With AX_SERIALIZED sections cannot
 * overlap with anything, and all of this is nothing.
 *
 * Forks. A forked child has only the thread that forked; the slots of the others are of threads that do not
 * exist. ax_sections_forget, which the includer has the system call in each child before anything else runs
 * there, frees all slots. If a signal handler forked in the middle of a section, that section goes on in the
 * child without its slot: no other thread is there to free anything.
 *
 * One set of slots serves the process, since threads and forks are the process's. Readers of different
 * structures share it, as do interpreters: at most they hold up each other's memory, for a moment. If there
 * are more sections than slots, those that find none hold up everything while they last.
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
#define AX_SECTION_SLOTS 8 /* of a stripe: a cache line. A build may have fewer, for the explorer */
#endif

/* Processors fetch lines in pairs, so a stripe has two. */
typedef struct {
    _Alignas(2 * AX_CACHE_LINE) ax_word slots[AX_SECTION_SLOTS]; /* atomic: eras of sections; 0: free */
} ax_section_stripe;

typedef struct {
    ax_word era;  /* atomic: the era less one; only grows */
    ax_word mask; /* atomic: the number of stripes, a power of two, less one; immutable from the first section
                     on */
    ax_word crowd; /* atomic: sections without a slot */
    ax_section_stripe stripes[AX_MAX_STRIPES];
} ax_sections;

#if defined(__GNUC__) || defined(__clang__)
__attribute__((visibility("hidden")))
#endif
extern ax_sections ax_process_sections;

typedef struct {
    ax_word *slot; /* NULL: one of the crowd */
    uint64_t era;  /* what is published there */
} ax_section;

AX_INLINE uint64_t ax_era_now(void)
{
    return ax_word_load(&ax_process_sections.era) + 1;
}

/* The era, which ends with that: a section that loads a root later is in a later one. */
AX_INLINE uint64_t ax_era_next(void)
{
    return ax_word_fetch_add(&ax_process_sections.era, 1) + 1;
}

/* The rest of ax_section_enter, where the first slot of the stripe is taken. Wait-free. */
ax_section ax_section_enter_elsewhere(uint64_t thread, uint64_t era);
void ax_section_leave_crowd(void);

/* Enters a section. The number of the thread picks its stripe. */
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

/* Loads a root. What was found from an earlier one is not kept any longer. Linearization point: the last
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

/* The sections that were seen at a look at all slots. */
typedef struct {
    size_t count;
    bool crowd; /* there are some whose eras are not known */
    ax_section seen[AX_SECTIONS_SEEN];
} ax_sections_view;

/* Looks at all slots. Wait-free. */
void ax_sections_look(ax_sections_view *view);

/* A section that was seen and may read a block that was made and retired in these eras, before the look; NULL
 * if there is none. Where eras are not known it may be any that was seen, or one without a slot. */
const ax_section *ax_sections_protect(const ax_sections_view *view, uint64_t made, uint64_t retired);

/* Whether a section that was seen is still there, and in the same era. */
bool ax_section_lasts(const ax_section *seen);

/* Chooses the number of stripes, for so many processors. To be called before the first section, by each that
 * may be the first; one stripe is what there is without it. */
void ax_sections_start(size_t processors);

/* In a forked child, before any section: the threads that were in one are gone. */
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
