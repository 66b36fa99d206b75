/* ax_table.h: a table from keys to objects that many threads search and change without a lock.
 *
 * Purpose. A successful search costs a few loads, and writes nothing that threads share. Each operation takes
 * effect at one moment: insert if absent, up to a limit; remove; clear; take a snapshot; count.
 *
 * How. A tree of immutable nodes hangs under one root, which holds the count. A node is an array of 2^w
 * slots, indexed by the next w bits of the hash; a slot is empty, an entry, or a smaller tree. A change
 * copies the nodes from the root to the place of the change, and swaps the root by one compare-and-swap. So
 * the root that a thread reads is the whole table as it was at that moment. A node grows with what is beneath
 * it, up to 2^AX_TABLE_WIDTH slots, and is never split after that: what is beneath a slot grows on its own.
 * So a change never moves more than one node's worth of entries, and growth causes no pauses.
 *
 * Why it is right. The compare-and-swap of a change expects the root from which the change was prepared. It
 * is done in a section (ax_section.h), so the memory of that root cannot have been freed and reused for
 * another root: the same address is the same table. What a search finds was in the table when it read the
 * root. Hence the limit is exact, a key is there only once, and nothing that was there before clear() is
 * found after it.
 *
 * What a change replaces (the copied nodes, the removed entry, or the whole tree) is retired after the swap,
 * and freed when no section can have found it (ax_table_collect). No thread waits for that. A change that no
 * section overlaps frees it before it returns. Otherwise the thread that leaves the last such section frees
 * it, if it checks (ax_table_has_retired) as every operation here does; or, if that was a section of another
 * table, the next operation on this table does. References are given back outside sections, when the table is
 * consistent, because that may run any code.
 *
 * Memory. An entry takes 32 bytes, and its place in the nodes about 30; if sections can overlap, 24 and 8
 * bytes more. While a section is open, it keeps alive at most what was in the table at one moment, and the
 * same amount again may not have been examined since. So, in addition to what is alive, the process needs at
 * most twice that for each thread that is in a section: usually nothing. A thread that the system stops in
 * ax_table_collect keeps what it has taken off the lists until it goes on.
 *
 * What it rests on. ax_section.h, and: searching, comparing keys and using what was found happen in one
 * section. A caller that wants to use an object for longer takes a reference in that section.
 *
 * Forks. A change is one compare-and-swap: a child of a fork finds the table either before it or after it,
 * whatever other threads were doing. What such a thread had retired, or was about to release, stays allocated
 * in the child.
 *
 * The object model: pointers to keys and values, about which the table knows only what ax_table_model says.
 * Equal keys have equal hashes; the hash's bits are used from the lowest up, so they have to be well mixed.
 *
 * With AX_SERIALIZED nothing overlaps: sections cost nothing, and what is replaced is freed at once. Code
 * that release() runs may use the table.
 *
 * Progress: lock-free. A retry means that another thread's change succeeded, in this table or (for the load
 * of the root) in another one.
 */
#ifndef AX_TABLE_H
#define AX_TABLE_H

#include "ax_section.h"

/* Returns whether the query matches this key. Called in a section: it runs no Python code, raises nothing,
 * and reads no memory except the query's, the key's and what they keep alive. */
typedef bool (*ax_table_matches)(const void *query, const void *key);

typedef struct {
    ax_table_matches matches;
    void (*keep)(void *object);    /* counts a reference to a live object; may be called in a section */
    void (*release)(void *object); /* gives one back; may run any code; never called in a section */
    void *(*allocate)(
        size_t size);          /* at a multiple of 8; NULL if there is no memory. Called in sections too: */
    void (*free)(void *block); /*   neither collects, raises or waits. free is never given NULL */
} ax_table_model;

#if AX_SECTIONS_OVERLAP
/* When a node or an entry was in the table. */
typedef struct {
    uint64_t made;    /* immutable: the era */
    uint64_t retired; /* owned by the change that took it out, then by the thread that took it off the table's
                         lists: the era */
    uintptr_t next;   /* the same: an ax_table_slot, the next one in a list, or 0 */
} ax_table_life;
#endif

typedef struct {
    uint64_t hash;  /* immutable, like all fields except the life */
    void *key;      /* the table owns a reference */
    void *value;    /* the table owns a reference */
    uint64_t order; /* less than that of each entry inserted after it */
#if AX_SECTIONS_OVERLAP
    ax_table_life life;
#endif
} ax_table_entry;

/* What a snapshot contains of an entry. */
typedef struct {
    void *key, *value; /* the snapshot's owner has a reference to each */
    uint64_t order;
} ax_table_item;

/* A slot of a node: 0 if it is empty; the address of an entry; or that of a node, plus its width, or plus
 * AX_TABLE_CHAIN. Nodes and entries are at multiples of 8. */
typedef uintptr_t ax_table_slot;

enum { AX_TABLE_WIDTH = 6, AX_TABLE_CHAIN = 7 };

typedef struct {
    uint32_t count; /* entries beneath; immutable, like all fields except the life */
    uint32_t top;   /* 1 if this is the top node of a root */
#if AX_SECTIONS_OVERLAP
    ax_table_life life;
#endif
    ax_table_slot slots[]; /* 2^width of them; in a chain, count entries whose hashes are equal */
} ax_table_node;

typedef struct {
    ax_pointer root; /* atomic: the slot of the top node, which the root's other fields precede */
#if AX_SECTIONS_OVERLAP
    ax_pointer retired; /* atomic: a list of what changes took out */
    ax_pointer held;    /* atomic: a list of those items that sections were seen to protect */
    ax_pointer guard; /* atomic: the slot of one such section (NULL: one of the crowd), and its era; a pair */
    ax_word guard_era; /*   of a slot and an era that do not match does no harm */
    ax_word patience;  /* atomic: how many more may be held before the whole list is examined again */
#endif
} ax_table;

typedef enum {
    AX_TABLE_ABSENT,    /* removal: the key is not there. insertion: never returned */
    AX_TABLE_DONE,      /* inserted, removed */
    AX_TABLE_PRESENT,   /* insertion: the key is already there */
    AX_TABLE_FULL,      /* insertion: not there, and the table has limit entries */
    AX_TABLE_NO_MEMORY, /* nothing changed */
} ax_table_change;

/* What to insert. */
typedef struct {
    uint64_t hash;
    const void *query; /* for matches() */
    void *key, *value; /* borrowed: the table takes its own references */
    uint64_t limit;    /* the maximum number of entries, without the exempt one; 0: any number */
    bool exempt;       /* neither stopped by the limit nor counted for it; at most one entry at a time */
} ax_table_addition;

/* Makes an empty table, which owns no memory. */
void ax_table_init(ax_table *table);

/* Releases everything. Only for a table that no other thread can see any longer. */
void ax_table_free(ax_table *table, const ax_table_model *model);

/* The entry of a chain; out of line, since full hashes hardly ever collide. */
const ax_table_entry *ax_table_find_in_chain(ax_table_slot chain, uint64_t hash, const void *query,
                                             ax_table_matches matches);

/* In a section: the matching entry in the table that had this root, or NULL. */
AX_INLINE const ax_table_entry *ax_table_find_from(ax_table_slot root, uint64_t hash, const void *query,
                                                   ax_table_matches matches)
{
    ax_table_slot slot = root;
    unsigned width = (unsigned)slot & 7;
    for (uint64_t rest = hash; width != 0; rest >>= width, width = (unsigned)slot & 7) {
        if (width == AX_TABLE_CHAIN) {
            return ax_table_find_in_chain(slot, hash, query, matches);
        }
        const ax_table_node *node = (const ax_table_node *)(slot - width);
        slot = node->slots[rest & ((UINT64_C(1) << width) - 1)];
    }
    const ax_table_entry *entry = (const ax_table_entry *)slot;
    return entry != NULL && entry->hash == hash && matches(query, entry->key) ? entry : NULL;
}

/* In a section: the matching entry, or NULL. It lives until the section ends or searches again. Linearization
 * point: the load of the root. Lock-free. */
AX_INLINE const ax_table_entry *ax_table_find(const ax_table *table, ax_section *section, uint64_t hash,
                                              const void *query, ax_table_matches matches)
{
    return ax_table_find_from((ax_table_slot)ax_section_load(section, &table->root), hash, query, matches);
}

/* In a section: like ax_table_find. Also tells whether, at the same moment, the entry was missing and the
 * limit (0: any number) would have prevented its insertion. Linearization point: the load of the root.
 * Lock-free. */
const ax_table_entry *ax_table_find_or_full(const ax_table *table, ax_section *section, uint64_t hash,
                                            const void *query, ax_table_matches matches, uint64_t limit,
                                            bool *full);

/* Outside sections. DONE: the entry is in the table. PRESENT: *found is the value that is there, with a
 * reference for the caller. Linearization point: the compare-and-swap of the root; PRESENT and FULL: the load
 * of the root. Lock-free. Collects at its end, which may run any code. */
ax_table_change ax_table_insert(ax_table *table, const ax_table_model *model, uint64_t thread,
                                const ax_table_addition *addition, void **found);

/* Outside sections. DONE, ABSENT or NO_MEMORY. Linearization point: the compare-and-swap of the root; ABSENT:
 * the load of the root. Lock-free. Collects at its end, which may run any code. */
ax_table_change ax_table_remove(ax_table *table, const ax_table_model *model, uint64_t thread, uint64_t hash,
                                const void *query);

/* Outside sections. Needs no memory. Linearization point: the exchange of the root. Wait-free except for the
 * release of what was there, which may run any code. */
void ax_table_clear(ax_table *table, const ax_table_model *model);

/* Outside sections. The number of entries, including the exempt one. Linearization point: the load of the
 * root. Lock-free. */
uint64_t ax_table_count(const ax_table *table, uint64_t thread);

/* The memory of the table's tree, in bytes, without keys and values. Otherwise like ax_table_count. */
size_t ax_table_bytes(const ax_table *table, uint64_t thread);

/* Outside sections. Returns the number of entries at one moment. If that is at most capacity, copies all of
 * them into items, unsorted, with references for the caller; otherwise copies nothing. Linearization point:
 * the load of the root. Lock-free. Collects at its end, which may run any code. */
size_t ax_table_snapshot(ax_table *table, const ax_table_model *model, uint64_t thread, ax_table_item *items,
                         size_t capacity);

/* Whether something is retired and not yet released: a cheap check to make after a section. */
AX_INLINE bool ax_table_has_retired(const ax_table *table)
{
#if AX_SECTIONS_OVERLAP
    return ax_pointer_load(&table->retired) != NULL || ax_pointer_load(&table->held) != NULL;
#else
    (void)table;
    return false;
#endif
}

/* Outside sections. Releases what is retired and can no longer be in use, which may run any code.
 * Lock-free. */
void ax_table_collect(ax_table *table, const ax_table_model *model);

/* Calls visit for each reference that the table owns, including those of retired entries, until visit returns
 * nonzero, and returns that result. Only while no thread changes the table, as in a traversal by the garbage
 * collector. */
int ax_table_visit(const ax_table *table, int (*visit)(void *object, void *argument), void *argument);

#endif
