/* ax_tree.h: the internals of ax_table.h: the tree of nodes beneath a root, and how changes are prepared.
 *
 * A published tree is immutable. A thread prepares a change on copies that no other thread has seen
 * (ax_tree_prepare), in a section that keeps the old tree readable. Then the caller either publishes the new
 * root, from which what the change replaced is no longer reachable, or undoes the work (ax_tree_undo).
 *
 * Only ax_table.c and ax_tree.c include this. Nothing here runs Python code except where it says so, and all
 * of it is wait-free: it touches no memory that another thread writes.
 */
#ifndef AX_TREE_H
#define AX_TREE_H

#include "ax_table.h"

/* What precedes the top node of a root. */
typedef struct {
    _Alignas(8) const ax_table_entry *exempt; /* immutable: an entry that the limit ignores, or NULL */
    uint64_t inserted; /* immutable: the number of insertions since the table was last empty */
    size_t bytes;      /* immutable: the size of the root and of all nodes and entries beneath */
#if AX_SECTIONS_OVERLAP
    uint64_t since; /* immutable: the era in which the table was last empty: nothing beneath is older */
    bool whole; /* owned by the change that took it out: whether all nodes and entries were retired with it */
#endif
} ax_tree_root;

enum { AX_TREE_LEVELS = 66 }; /* at most 66 nodes deep: each uses a bit of the hash, a chain uses none */

/* A change in preparation. */
typedef struct {
    const ax_table_model *model;
    ax_table_entry *added; /* one of these two is NULL */
    const ax_table_entry *removed;
    bool exempt;              /* the added entry is not counted for the limit */
    uint64_t era;             /* the era in which the new nodes are made */
    size_t bytes, bytes_gone; /* of what is made, of what is replaced */
    int depth;
    ax_table_slot path[AX_TREE_LEVELS];  /* nodes that are replaced, from the top down */
    ax_table_node *made[AX_TREE_LEVELS]; /* by these copies */
    ax_table_slot subtree; /* the old subtree that is rebuilt below them, or 0: all its nodes are replaced */
    ax_table_slot rebuilt; /* the new subtree: all its nodes are new */
} ax_tree_change;

AX_INLINE unsigned ax_tree_width(ax_table_slot slot)
{
    return (unsigned)slot & 7;
}

AX_INLINE ax_table_node *ax_tree_node(ax_table_slot slot)
{
    return (ax_table_node *)(slot - ax_tree_width(slot));
}

AX_INLINE ax_table_entry *ax_tree_entry(ax_table_slot slot)
{
    return (ax_table_entry *)slot;
}

AX_INLINE ax_tree_root *ax_tree_root_of(ax_table_slot slot)
{
    return (ax_tree_root *)ax_tree_node(slot) - 1;
}

/* The number of slots of the node in this slot. */
AX_INLINE size_t ax_tree_slots(ax_table_slot slot)
{
    unsigned width = ax_tree_width(slot);
    return width == AX_TABLE_CHAIN ? (size_t)ax_tree_node(slot)->count : (size_t)1 << width;
}

/* The root of every empty table: never written, retired or freed. */
ax_table_slot ax_tree_empty(void);

/* Makes an entry with its own references; NULL if there is no memory. */
ax_table_entry *ax_tree_entry_new(const ax_table_model *model, const ax_table_addition *addition);

/* Frees an entry and gives its references back, which may run any code. */
void ax_tree_entry_free(const ax_table_model *model, ax_table_entry *entry);

/* Frees only this node. The top node is freed with its root. */
void ax_tree_node_free(const ax_table_model *model, ax_table_node *node);

/* Frees all nodes from a slot down, and on request the entries too, which may run any code. */
void ax_tree_free(const ax_table_model *model, ax_table_slot slot, bool entries);

/* Prepares a change from this root, in a section. Returns the slot of the new root, or 0 if there is no
 * memory. */
ax_table_slot ax_tree_prepare(ax_tree_change *change, ax_table_slot root);

/* Frees what was made for a change that was not published. */
void ax_tree_undo(ax_tree_change *change);

#endif
