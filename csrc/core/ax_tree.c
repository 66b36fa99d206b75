/* ax_tree.c: see ax_tree.h. */
#include "ax_tree.h"

#include <string.h>

enum {
    HASH_BITS = 64,
    FIRST_WIDTH = 2, /* the width of a node for two entries */
};

static struct {
    ax_tree_root root;
    uint32_t count, top; /* from here on this is an ax_table_node of width 2 */
#if AX_SECTIONS_OVERLAP
    ax_table_life life;
#endif
    ax_table_slot slots[4];
} no_entries = {.root = {.bytes = sizeof(ax_tree_root) + sizeof(ax_table_node) + 4 * sizeof(ax_table_slot)}};

ax_table_slot ax_tree_empty(void)
{
    return (ax_table_slot)&no_entries.count + 2;
}

static size_t node_bytes(size_t slots, bool top)
{
    return (top ? sizeof(ax_tree_root) : 0) + sizeof(ax_table_node) + slots * sizeof(ax_table_slot);
}

/* Makes a node of empty slots; NULL if there is no memory. The top node is preceded by its root. */
static ax_table_node *node_new(ax_tree_change *change, size_t slots, bool top)
{
    size_t size = node_bytes(slots, top);
    char *block = change->model->allocate(size);
    if (block == NULL) {
        return NULL;
    }
    memset(block, 0, size);
    change->bytes += size;
    ax_table_node *node = (ax_table_node *)(void *)(block + (top ? sizeof(ax_tree_root) : 0));
    node->top = top;
#if AX_SECTIONS_OVERLAP
    node->life.made = change->era;
#endif
    return node;
}

void ax_tree_node_free(const ax_table_model *model, ax_table_node *node)
{
    model->free(node->top ? (void *)((ax_tree_root *)node - 1) : (void *)node);
}

ax_table_entry *ax_tree_entry_new(const ax_table_model *model, const ax_table_addition *addition)
{
    ax_table_entry *entry = model->allocate(sizeof *entry);
    if (entry != NULL) {
        model->keep(addition->key);
        model->keep(addition->value);
        *entry = (ax_table_entry){.hash = addition->hash, .key = addition->key, .value = addition->value};
    }
    return entry;
}

void ax_tree_entry_free(const ax_table_model *model, ax_table_entry *entry)
{
    void *key = entry->key, *value = entry->value;
    model->free(entry);
    model->release(value);
    model->release(key);
}

void ax_tree_free(const ax_table_model *model, ax_table_slot slot, bool entries)
{
    if (ax_tree_width(slot) == 0) {
        if (slot != 0 && entries) {
            ax_tree_entry_free(model, ax_tree_entry(slot));
        }
        return;
    }
    ax_table_node *node = ax_tree_node(slot);
    for (size_t i = 0; i < ax_tree_slots(slot); i++) {
        ax_tree_free(model, node->slots[i], entries);
    }
    ax_tree_node_free(model, node);
}

/* The memory of the nodes from a slot down, in bytes. */
static size_t tree_bytes(ax_table_slot slot, bool top)
{
    size_t bytes = 0;
    if (ax_tree_width(slot) != 0) {
        bytes = node_bytes(ax_tree_slots(slot), top);
        for (size_t i = 0; i < ax_tree_slots(slot); i++) {
            bytes += tree_bytes(ax_tree_node(slot)->slots[i], false);
        }
    }
    return bytes;
}

const ax_table_entry *ax_table_find_in_chain(ax_table_slot chain, uint64_t hash, const void *query,
                                             ax_table_matches matches)
{
    const ax_table_node *node = ax_tree_node(chain);
    for (uint64_t i = 0; i < node->count; i++) {
        const ax_table_entry *entry = ax_tree_entry(node->slots[i]);
        if (entry->hash == hash && matches(query, entry->key)) {
            return entry;
        }
    }
    return NULL;
}

/* Changes. */

static size_t index_at(uint64_t hash, unsigned bits, unsigned width)
{
    return bits >= HASH_BITS ? 0 : (size_t)(hash >> bits & ((UINT64_C(1) << width) - 1));
}

/* Whether a node is too small for count entries beneath it, or far too large. */
static bool is_crowded(unsigned width, uint64_t count)
{
    return width < AX_TABLE_WIDTH && count > (UINT64_C(3) << width) / 4;
}

static bool is_sparse(unsigned width, uint64_t count)
{
    return width > FIRST_WIDTH && count < (UINT64_C(1) << width) / 8;
}

static unsigned width_for(uint64_t count)
{
    unsigned width = FIRST_WIDTH;
    while (is_crowded(width, count)) {
        width++;
    }
    return width;
}

/* Puts an entry beneath a slot whose nodes are all new. False: no memory, and it was not put there. */
static bool place(ax_tree_change *change, ax_table_slot *slot, unsigned bits, const ax_table_entry *entry)
{
    if (*slot == 0) {
        *slot = (ax_table_slot)entry;
        return true;
    }
    unsigned width = ax_tree_width(*slot);
    if (bits < HASH_BITS) {
        if (width == 0) {
            ax_table_node *node = node_new(change, (size_t)1 << FIRST_WIDTH, false);
            if (node == NULL) {
                return false;
            }
            const ax_table_entry *other = ax_tree_entry(*slot);
            node->slots[index_at(other->hash, bits, FIRST_WIDTH)] = *slot;
            node->count = 1;
            width = FIRST_WIDTH;
            *slot = (ax_table_slot)node + width;
        }
        ax_table_node *node = ax_tree_node(*slot);
        node->count++;
        return place(change, &node->slots[index_at(entry->hash, bits, width)], bits + width, entry);
    }
    size_t count = width == 0 ? 1 : (size_t)ax_tree_node(*slot)->count;
    ax_table_node *chain = node_new(change, count + 1, false);
    if (chain == NULL) {
        return false;
    }
    if (width == 0) {
        chain->slots[0] = *slot;
    } else {
        memcpy(chain->slots, ax_tree_node(*slot)->slots, count * sizeof *chain->slots);
        change->bytes -= node_bytes(count, false);
        ax_tree_node_free(change->model, ax_tree_node(*slot));
    }
    chain->slots[count] = (ax_table_slot)entry;
    chain->count = (uint32_t)count + 1;
    *slot = (ax_table_slot)chain + AX_TABLE_CHAIN;
    return true;
}

/* Puts all entries beneath an old slot, except the one to remove, beneath a new slot. */
static bool place_all(ax_tree_change *change, ax_table_slot *slot, unsigned bits, ax_table_slot old)
{
    if (ax_tree_width(old) == 0) {
        return old == 0 || ax_tree_entry(old) == change->removed ||
               place(change, slot, bits, ax_tree_entry(old));
    }
    for (size_t i = 0; i < ax_tree_slots(old); i++) {
        if (!place_all(change, slot, bits, ax_tree_node(old)->slots[i])) {
            return false;
        }
    }
    return true;
}

/* The number of entries beneath a node or an entry on the path of the change, after the change. */
static uint64_t count_after(const ax_tree_change *change, ax_table_slot slot)
{
    uint64_t count = ax_tree_width(slot) == 0 ? slot != 0 : ax_tree_node(slot)->count;
    return count + (change->added != NULL) - (change->removed != NULL);
}

static void replaced_by(ax_tree_change *change, ax_table_slot old, bool top, ax_table_slot rebuilt)
{
    change->subtree = ax_tree_width(old) == 0 ? 0 : old;
    change->bytes_gone += tree_bytes(old, top);
    change->rebuilt = rebuilt;
}

/* Like rebuild, for a slot whose entries all have the same hash. */
static bool rebuild_chain(ax_tree_change *change, ax_table_slot old, size_t count)
{
    ax_table_node *chain = node_new(change, count, false);
    if (chain == NULL) {
        return false;
    }
    const ax_table_slot *slots = ax_tree_width(old) == 0 ? &old : ax_tree_node(old)->slots;
    for (size_t i = 0; i < (ax_tree_width(old) == 0 ? 1 : ax_tree_slots(old)); i++) {
        if (ax_tree_entry(slots[i]) != change->removed) {
            chain->slots[chain->count++] = slots[i];
        }
    }
    if (change->added != NULL) {
        chain->slots[chain->count++] = (ax_table_slot)change->added;
    }
    replaced_by(change, old, false, (ax_table_slot)chain + AX_TABLE_CHAIN);
    return true;
}

/* Rebuilds what is beneath an old slot, after `bits` bits of the hash, with the added entry and without the
 * removed one. False: no memory, and everything it made was freed. */
static bool rebuild(ax_tree_change *change, ax_table_slot old, unsigned bits, bool top)
{
    uint64_t count = count_after(change, old);
    ax_table_slot slot = 0;
    if (count > 1 && bits >= HASH_BITS) {
        return rebuild_chain(change, old, (size_t)count);
    }
    if (top || count > 1) {
        unsigned width = width_for(count);
        ax_table_node *node = node_new(change, (size_t)1 << width, top);
        if (node == NULL) {
            return false;
        }
        slot = (ax_table_slot)node + width;
    }
    if (!place_all(change, &slot, bits, old) ||
        (change->added != NULL && !place(change, &slot, bits, change->added))) {
        ax_tree_free(change->model, slot, false);
        return false;
    }
    replaced_by(change, old, top, slot);
    return true;
}

void ax_tree_undo(ax_tree_change *change)
{
    for (int i = 0; i < change->depth; i++) {
        ax_tree_node_free(change->model, change->made[i]);
    }
    ax_tree_free(change->model, change->rebuilt, false);
}

/* Whether the path of the change leads through this node, so that copying it suffices; otherwise what is
 * there has to be rebuilt. */
static bool is_copied(const ax_tree_change *change, ax_table_slot slot, unsigned bits)
{
    unsigned width = ax_tree_width(slot);
    uint64_t count = count_after(change, slot);
    bool top = change->depth == 0;
    return width != 0 && width != AX_TABLE_CHAIN && slot != ax_tree_empty() && (count > 1 || top) &&
           !(bits + width < HASH_BITS && is_crowded(width, count)) && !is_sparse(width, count);
}

static ax_table_node *node_copy(ax_tree_change *change, ax_table_slot slot)
{
    bool top = change->depth == 0;
    ax_table_node *old = ax_tree_node(slot), *node = node_new(change, ax_tree_slots(slot), top);
    if (node != NULL) {
        memcpy(node->slots, old->slots, ax_tree_slots(slot) * sizeof *node->slots);
        node->count = (uint32_t)count_after(change, slot);
        change->bytes_gone += node_bytes(ax_tree_slots(slot), top);
        change->path[change->depth] = slot;
        change->made[change->depth++] = node;
    }
    return node;
}

ax_table_slot ax_tree_prepare(ax_tree_change *change, ax_table_slot root)
{
    uint64_t hash = (change->added != NULL ? change->added : change->removed)->hash;
    ax_table_slot slot = root, made_root = 0;
    ax_table_slot *place_of_made = &made_root;
    unsigned bits = 0;
    if (change->removed != NULL && ax_tree_node(root)->count == 1) {
        change->subtree = root;
        return ax_tree_empty();
    }
    while (is_copied(change, slot, bits)) {
        unsigned width = ax_tree_width(slot);
        ax_table_node *node = node_copy(change, slot);
        if (node == NULL) {
            ax_tree_undo(change);
            return 0;
        }
        *place_of_made = (ax_table_slot)node + width;
        place_of_made = &node->slots[index_at(hash, bits, width)];
        slot = *place_of_made;
        bits += width;
    }
    if (!rebuild(change, slot, bits, change->depth == 0)) {
        ax_tree_undo(change);
        return 0;
    }
    *place_of_made = change->rebuilt;
    ax_tree_root *old = ax_tree_root_of(root), *new = ax_tree_root_of(made_root);
    new->inserted = old->inserted + (change->added != NULL);
#if AX_SECTIONS_OVERLAP
    new->since = root == ax_tree_empty() ? change->era : old->since;
#endif
    if (change->added != NULL) {
        change->added->order = old->inserted;
#if AX_SECTIONS_OVERLAP
        change->added->life.made = change->era;
#endif
    }
    new->bytes = old->bytes + change->bytes - change->bytes_gone;
    new->bytes += change->added != NULL ? sizeof(ax_table_entry) : 0;
    new->bytes -= change->removed != NULL ? sizeof(ax_table_entry) : 0;
    new->exempt = change->exempt ? change->added : old->exempt == change->removed ? NULL : old->exempt;
    return made_root;
}
