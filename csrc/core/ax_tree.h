/* ax_tree.h: the inside of ax_table.h: the tree of nodes beneath a root, and how a change of it is worked
 * out.
 *
 * A tree that was published is immutable. A change is worked out on copies that no other thread has seen
 * (ax_tree_prepare), by a thread in a section that keeps the old tree readable. Then the caller publishes the
 * new root, and what the change says is replaced is no longer reachable from it; or takes the work back
 * (ax_tree_undo).
 *
 * Only ax_table.c includes this, and ax_tree.c. Nothing here runs Python code but where it says so, and all
 * of it is wait-free: it touches no memory that another thread writes.
 */
#ifndef AX_TREE_H
#define AX_TREE_H

#include "ax_table.h"

/* What a root has before its top node. */
typedef struct {
    _Alignas(8) const ax_table_entry *exempt; /* immutable: what is not counted for the limit, or NULL */
    uint64_t inserted;                        /* immutable: how many were, since the table was last empty */
    size_t bytes;                             /* immutable: of the root, and all nodes and entries beneath */
#if AX_SECTIONS_OVERLAP
    uint64_t since; /* immutable: the era in which the table was last empty: nothing beneath is older */
    bool whole;     /* owned by the change that took it out: all nodes and entries went with it */
#endif
} ax_tree_root;

enum { AX_TREE_LEVELS = 66 }; /* of nodes at most: each takes a bit of the hash, a chain none */

/* A change that is being worked out. */
typedef struct {
    const ax_table_model *model;
    ax_table_entry *added; /* one of the two is NULL */
    const ax_table_entry *removed;
    bool exempt;              /* what is added is not counted for the limit */
    uint64_t era;             /* in which the new nodes are made */
    size_t bytes, bytes_gone; /* what is made, what is replaced */
    int depth;
    ax_table_slot path[AX_TREE_LEVELS];  /* nodes that are replaced, from the top down */
    ax_table_node *made[AX_TREE_LEVELS]; /* by these copies */
    ax_table_slot subtree;               /* what was rebuilt below them: all its nodes are replaced; or 0 */
    ax_table_slot rebuilt;               /* what it was rebuilt as: all its nodes are new */
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

/* How many slots the node in this one has. */
AX_INLINE size_t ax_tree_slots(ax_table_slot slot)
{
    unsigned width = ax_tree_width(slot);
    return width == AX_TABLE_CHAIN ? (size_t)ax_tree_node(slot)->count : (size_t)1 << width;
}

/* The root of every empty table: never written, retired or freed. */
ax_table_slot ax_tree_empty(void);

/* An entry with references of its own; NULL if there is no memory. */
ax_table_entry *ax_tree_entry_new(const ax_table_model *model, const ax_table_addition *addition);

/* Frees an entry and gives its references back; runs any code. */
void ax_tree_entry_free(const ax_table_model *model, ax_table_entry *entry);

/* Frees a node alone. The top node goes with its root. */
void ax_tree_node_free(const ax_table_model *model, ax_table_node *node);

/* Frees all nodes from a slot down, and the entries too if asked for: then it runs any code. */
void ax_tree_free(const ax_table_model *model, ax_table_slot slot, bool entries);

/* Works a change out, in a section, from this root: the slot of the new one, or 0 without memory. */
ax_table_slot ax_tree_prepare(ax_tree_change *change, ax_table_slot root);

/* Frees what was made for a change that did not happen. */
void ax_tree_undo(ax_tree_change *change);

#endif
