/* ax_table.h: a table from keys to objects that many threads search and change without a lock.
 *
 * Purpose. One search of a hit costs a few loads, and writes nothing that threads share. Insert once, up to a
 * limit; remove; clear; a snapshot; a count: each takes effect at one moment.
 *
 * How. A tree of immutable nodes under one root, which has the count. A node is an array of 2^w slots,
 * indexed by the next w bits of the hash; a slot is empty, an entry, or a smaller tree. A change copies the
 * nodes from the root to the place of the change, and swaps the root by one compare-and-swap. So the root
 * that a thread reads is the whole table as it was at that moment. A node grows with what is beneath it, up
 * to 2^AX_TABLE_WIDTH slots, and is then never split again: what is beneath a slot grows on its own. So no
 * change moves more than one node's worth of entries: growth never pauses.
 *
 * Why it is right. The compare-and-swap of a change expects the root that the change was worked out from. It
 * is done in a section (ax_section.h), so the memory of that root cannot have been freed and given to another
 * root: the same address is the same table. What a search finds was in the table when it read the root. Hence
 * the limit is exact, a key is there once, and nothing is found after clear() that was there before.
 *
 * What was replaced: the copied nodes, the entry that was removed, or the whole tree. It is retired after the
 * swap, and freed when no section can have found it (ax_table_collect). Nobody waits for that. A change that
 * no section overlaps frees it before it returns. Otherwise whoever leaves the last such section does, if it
 * looks (ax_table_has_retired) as every operation here does; or, if that was a section of another table, the
 * next operation on this one. References are given back outside sections, when the table is whole: that may
 * run any code.
 *
 * Memory. An entry takes 32 bytes, its place in the nodes about 30; where sections overlap 24 and 8 more.
 * Each section that is open holds up, for as long as it lasts, at most what was in the table at one moment,
 * and once more as much may not have been looked at since. So the process needs, beside what is alive, at
 * most twice that for each thread that is in a section: usually none.
 *
 * What it rests on. ax_section.h, and: searching, comparing keys and using what was found happen in one
 * section; whoever wants to use an object longer takes a reference there.
 *
 * Forks. A change is one compare-and-swap: a child of a fork finds the table before it or after it, whatever
 * other threads were doing. What such a thread had retired, or was about to release, stays allocated there.
 *
 * The object model: pointers to keys and values, of which the table knows what ax_table_model says. Keys that
 * are equal have equal hashes; the hash's bits are taken from the lowest up, so they have to be well mixed.
 *
 * With AX_SERIALIZED nothing overlaps: no section costs anything, and what is replaced is freed at once. Code
 * that release() runs may use the table.
 *
 * Progress: lock-free. A retry means that another thread's change succeeded, in this table or (for the load
 * of the root) in another one.
 */
#ifndef AX_TABLE_H
#define AX_TABLE_H

#include "ax_section.h"

/* Whether what is looked for is this key. In a section: it runs no Python code, raises nothing, and reads no
 * memory but the query's, the key's and what they keep alive. */
typedef bool (*ax_table_matches)(const void *query, const void *key);

typedef struct {
    ax_table_matches matches;
    void (*keep)(void *object);    /* counts a reference to a live object; may be called in a section */
    void (*release)(void *object); /* gives one back; may run any code; never called in a section */
    void *(*allocate)(
        size_t size);          /* at a multiple of 8; NULL if there is no memory. Called in sections too: */
    void (*free)(void *block); /*   neither collects, raises or waits. free takes no NULL */
} ax_table_model;

#if AX_SECTIONS_OVERLAP
/* When a node or an entry was in the table. */
typedef struct {
    uint64_t made;    /* immutable: the era */
    uint64_t retired; /* owned by the change that took it out, then by who took it off the table's lists: the
                         era */
    uintptr_t next;   /* the same: an ax_table_slot, the next one in a list, or 0 */
} ax_table_life;
#endif

typedef struct {
    uint64_t hash;  /* all but the life: immutable */
    void *key;      /* the table owns a reference */
    void *value;    /* the table owns a reference */
    uint64_t order; /* less than that of each entry that was inserted after it */
#if AX_SECTIONS_OVERLAP
    ax_table_life life;
#endif
} ax_table_entry;

/* What a snapshot has of an entry. */
typedef struct {
    void *key, *value; /* the snapshot's owner has a reference to each */
    uint64_t order;
} ax_table_item;

/* A slot of a node: 0 if it is empty; the address of an entry; or that of a node, plus its width, or plus
 * AX_TABLE_CHAIN. Nodes and entries are at multiples of 8. */
typedef uintptr_t ax_table_slot;

enum { AX_TABLE_WIDTH = 6, AX_TABLE_CHAIN = 7 };

typedef struct {
    uint32_t count; /* all but the life: immutable. Entries beneath */
    uint32_t top;   /* 1 if this is the top node of a root */
#if AX_SECTIONS_OVERLAP
    ax_table_life life;
#endif
    ax_table_slot slots[]; /* 2^width of them; in a chain, count entries whose hashes are equal */
} ax_table_node;

typedef struct {
    ax_pointer root; /* atomic: the slot of the top node, before which a root's further fields are */
#if AX_SECTIONS_OVERLAP
    ax_pointer retired; /* atomic: a list of what was taken out */
    ax_pointer held;    /* atomic: a list of that of it which sections were seen to hold up */
    ax_pointer guard; /* atomic: the slot of one such section (NULL: one of the crowd), and its era; a pair */
    ax_word guard_era; /*   that does not belong together does no harm */
    ax_word patience;  /* atomic: how much more may be held before all that is held is looked through again */
#endif
} ax_table;

typedef enum {
    AX_TABLE_ABSENT,    /* removal: there is no such key. insertion: never */
    AX_TABLE_DONE,      /* inserted, removed */
    AX_TABLE_PRESENT,   /* insertion: the key is there already */
    AX_TABLE_FULL,      /* insertion: not there, and there were limit entries */
    AX_TABLE_NO_MEMORY, /* nothing has changed */
} ax_table_change;

/* What is to be inserted. */
typedef struct {
    uint64_t hash;
    const void *query; /* for matches() */
    void *key, *value; /* borrowed: the table takes references of its own */
    uint64_t limit;    /* entries at most, but for the exempt one; 0: any number */
    bool exempt;       /* neither stopped by the limit nor counted for it; one entry at a time can be */
} ax_table_addition;

/* An empty table, which owns no memory. */
void ax_table_init(ax_table *table);

/* Only for a table that no other thread can see any more: releases everything. */
void ax_table_free(ax_table *table, const ax_table_model *model);

/* The entry of a chain; out of line, since full hashes hardly ever collide. */
const ax_table_entry *ax_table_find_in_chain(ax_table_slot chain, uint64_t hash, const void *query,
                                             ax_table_matches matches);

/* In a section: the entry that matches in the table that had this root, or NULL. */
AX_INLINE const ax_table_entry *ax_table_find_from(ax_table_slot root, uint64_t hash, const void *query,
                                                   ax_table_matches matches)
{
    ax_table_slot slot = root;
    uint64_t rest = hash;
    unsigned width;
    while ((width = (unsigned)slot & 7) - 1 < AX_TABLE_CHAIN - 1) {
        const ax_table_node *node = (const ax_table_node *)(slot - width);
        slot = node->slots[rest & ((UINT64_C(1) << width) - 1)];
        rest >>= width;
    }
    if (width != 0) {
        return ax_table_find_in_chain(slot, hash, query, matches);
    }
    const ax_table_entry *entry = (const ax_table_entry *)slot;
    return entry != NULL && entry->hash == hash && matches(query, entry->key) ? entry : NULL;
}

/* In a section: the entry that matches, or NULL. It lives until the section ends, or searches again.
 * Linearization point: the load of the root. Lock-free. */
AX_INLINE const ax_table_entry *ax_table_find(const ax_table *table, ax_section *section, uint64_t hash,
                                              const void *query, ax_table_matches matches)
{
    return ax_table_find_from((ax_table_slot)ax_section_load(section, &table->root), hash, query, matches);
}

/* In a section: as ax_table_find; and says of the same moment whether the entry is not there, and could not
 * be inserted for the limit (0: any number). Linearization point: the load of the root. Lock-free. */
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

/* Outside sections. Needs no memory. Linearization point: the exchange of the root. Wait-free but for the
 * release of what was there, which may run any code. */
void ax_table_clear(ax_table *table, const ax_table_model *model);

/* Outside sections. How many entries there are, the exempt one included. Linearization point: the load of the
 * root. Lock-free. */
uint64_t ax_table_count(const ax_table *table, uint64_t thread);

/* The memory of the table's tree, in bytes, without keys and values. As ax_table_count. */
size_t ax_table_bytes(const ax_table *table, uint64_t thread);

/* Outside sections. How many entries there are at one moment; if that is at most capacity, puts each one into
 * items, with references for the caller, and else nothing. Unsorted. Linearization point: the load of the
 * root. Lock-free. Collects at its end, which may run any code. */
size_t ax_table_snapshot(ax_table *table, const ax_table_model *model, uint64_t thread, ax_table_item *items,
                         size_t capacity);

/* Whether something is retired and not yet released: for a cheap look after a section. */
AX_INLINE bool ax_table_has_retired(const ax_table *table)
{
#if AX_SECTIONS_OVERLAP
    return ax_pointer_load(&table->retired) != NULL || ax_pointer_load(&table->held) != NULL;
#else
    (void)table;
    return false;
#endif
}

/* Outside sections. Releases what is retired and can no longer be in use: may run any code. Lock-free. */
void ax_table_collect(ax_table *table, const ax_table_model *model);

/* Calls visit for each reference that the table owns, those of retired entries included, until it returns
 * other than zero, and returns that. Only while no thread changes the table, as in a traversal by the garbage
 * collector. */
int ax_table_visit(const ax_table *table, int (*visit)(void *object, void *argument), void *argument);

#endif
