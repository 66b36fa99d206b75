/* ax_table.c: see ax_table.h. */
#include "ax_table.h"

#include <assert.h>
#include <string.h>

/* What a root has before its top node. */
typedef struct {
    _Alignas(16) ax_table_slot next; /* owned by whoever swapped it out: the next retired root, or 0 */
    uint64_t epoch;                  /* the same: what ax_epoch_now said after that */
    const ax_table_entry *dropped;   /* the same: the entry that was removed, or NULL */
    ax_table_slot subtree;           /* the same: all nodes from here down are replaced too, or 0 */
    bool whole;                      /* the same: and their entries are gone */
    const ax_table_entry *exempt;    /* immutable: the entry that is not counted for the limit, or NULL */
    uint64_t inserted;               /* immutable: insertions so far, since the table was last empty */
    size_t bytes;                    /* immutable: of the root, and of all nodes and entries beneath */
} Root;

enum {
    HASH_BITS = 64,
    MOST_LEVELS = HASH_BITS + 2, /* each takes a bit at least; a chain takes none */
    FIRST_WIDTH = 2,             /* of a node for two entries */
};

/* A change that is being worked out. It writes only to memory that no other thread has seen. */
typedef struct {
    const ax_table_model *model;
    size_t bytes;        /* what is made */
    size_t bytes_gone;   /* what is replaced */
    const ax_table_entry *added, *removed; /* one of them is NULL */
    bool exempt;         /* what is added */
    ax_table_node *path[MOST_LEVELS];      /* replaced, from the top down */
    ax_table_node *made[MOST_LEVELS];      /* their copies */
    int depth;
    ax_table_slot subtree; /* the node below them that was rebuilt with all beneath, or 0 */
    ax_table_slot rebuilt; /* what it was rebuilt as: whose nodes are all new */
} Change;

/* The root of every empty table, of width 1: never written, retired or freed. */
static struct {
    Root root;
    void *replaced; /* from here on an ax_table_node */
    uint64_t count;
    ax_table_slot slots[2];
} no_entries = {.root = {.bytes = sizeof no_entries}};

static ax_table_slot empty_root(void)
{
    return (ax_table_slot)&no_entries.replaced + 1;
}

static unsigned width_of(ax_table_slot slot)
{
    return (unsigned)slot & 15;
}

static ax_table_node *node_of(ax_table_slot slot)
{
    return (ax_table_node *)(slot - width_of(slot));
}

static const ax_table_entry *entry_of(ax_table_slot slot)
{
    return (const ax_table_entry *)slot;
}

static Root *root_of(ax_table_slot slot)
{
    return (Root *)node_of(slot) - 1;
}

static size_t slots_of(ax_table_slot slot)
{
    return width_of(slot) == AX_TABLE_CHAIN ? (size_t)node_of(slot)->count : (size_t)1 << width_of(slot);
}

static size_t node_bytes(size_t slots, bool top)
{
    return (top ? sizeof(Root) : 0) + sizeof(ax_table_node) + slots * sizeof(ax_table_slot);
}

/* Blocks at multiples of 16, which an allocator of 32 bits need not give. */
static void *block_new(const ax_table_model *model, size_t size)
{
    if (sizeof(void *) >= 8) {
        void *block = model->allocate(size);
        assert((uintptr_t)block % 16 == 0);
        return block;
    }
    unsigned char *given = model->allocate(size + 16);
    if (given == NULL) {
        return NULL;
    }
    unsigned char *block = given + 16 - (uintptr_t)given % 16;
    block[-1] = (unsigned char)(block - given);
    return block;
}

static void block_free(const ax_table_model *model, void *block)
{
    model->free(sizeof(void *) >= 8 ? block : (unsigned char *)block - ((unsigned char *)block)[-1]);
}

/* A node of empty slots; NULL if there is no memory. The top node has its root before it. */
static ax_table_node *node_new(Change *change, size_t slots, bool top)
{
    size_t size = node_bytes(slots, top);
    char *block = block_new(change->model, size);
    if (block == NULL) {
        return NULL;
    }
    memset(block, 0, size);
    change->bytes += size;
    return (ax_table_node *)(void *)(block + (top ? sizeof(Root) : 0));
}

static void node_free(const ax_table_model *model, ax_table_node *node, bool top)
{
    block_free(model, top ? (void *)((Root *)node - 1) : (void *)node);
}

static ax_table_entry *entry_new(const ax_table_model *model, const ax_table_addition *addition)
{
    ax_table_entry *entry = block_new(model, sizeof *entry);
    if (entry != NULL) {
        model->keep(addition->key);
        model->keep(addition->value);
        *entry = (ax_table_entry){addition->hash, addition->key, addition->value, 0};
    }
    return entry;
}

/* Runs any code. */
static void entry_free(const ax_table_model *model, const ax_table_entry *entry)
{
    void *key = entry->key, *value = entry->value;
    block_free(model, (void *)(uintptr_t)entry);
    model->release(value);
    model->release(key);
}

/* Frees all nodes from a slot down, and the entries too if they are gone: then it runs any code. */
static void tree_free(const ax_table_model *model, ax_table_slot slot, bool top, bool entries)
{
    if (width_of(slot) == 0) {
        if (slot != 0 && entries) {
            entry_free(model, entry_of(slot));
        }
        return;
    }
    ax_table_node *node = node_of(slot);
    for (size_t i = 0; i < slots_of(slot); i++) {
        tree_free(model, node->slots[i], false, entries);
    }
    node_free(model, node, top);
}

/* What the nodes take from a slot down. */
static size_t tree_bytes(ax_table_slot slot, bool top)
{
    size_t bytes = 0;
    if (width_of(slot) != 0) {
        bytes = node_bytes(slots_of(slot), top);
        for (size_t i = 0; i < slots_of(slot); i++) {
            bytes += tree_bytes(node_of(slot)->slots[i], false);
        }
    }
    return bytes;
}

const ax_table_entry *ax_table_find_in_chain(ax_table_slot chain, uint64_t hash, const void *query,
                                             ax_table_matches matches)
{
    const ax_table_node *node = node_of(chain);
    for (uint64_t i = 0; i < node->count; i++) {
        const ax_table_entry *entry = entry_of(node->slots[i]);
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

/* Whether a node is too small for so many entries beneath, or far too large. */
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

/* Puts an entry beneath a slot all of whose nodes are new; false without memory, when it is not there. */
static bool place(Change *change, ax_table_slot *slot, unsigned bits, const ax_table_entry *entry)
{
    if (*slot == 0) {
        *slot = (ax_table_slot)entry;
        return true;
    }
    unsigned width = width_of(*slot);
    if (bits < HASH_BITS) {
        if (width == 0) {
            ax_table_node *node = node_new(change, (size_t)1 << FIRST_WIDTH, false);
            if (node == NULL) {
                return false;
            }
            const ax_table_entry *other = entry_of(*slot);
            node->slots[index_at(other->hash, bits, FIRST_WIDTH)] = *slot;
            node->count = 1;
            width = FIRST_WIDTH;
            *slot = (ax_table_slot)node + width;
        }
        ax_table_node *node = node_of(*slot);
        node->count++;
        return place(change, &node->slots[index_at(entry->hash, bits, width)], bits + width, entry);
    }
    size_t count = width == 0 ? 1 : (size_t)node_of(*slot)->count;
    ax_table_node *chain = node_new(change, count + 1, false);
    if (chain == NULL) {
        return false;
    }
    if (width == 0) {
        chain->slots[0] = *slot;
    } else {
        memcpy(chain->slots, node_of(*slot)->slots, count * sizeof *chain->slots);
        change->bytes -= node_bytes(count, false);
        node_free(change->model, node_of(*slot), false);
    }
    chain->slots[count] = (ax_table_slot)entry;
    chain->count = count + 1;
    *slot = (ax_table_slot)chain + AX_TABLE_CHAIN;
    return true;
}

/* Puts all entries that are beneath an old slot, but for the one that is removed, beneath a new one. */
static bool place_all(Change *change, ax_table_slot *slot, unsigned bits, ax_table_slot old)
{
    if (width_of(old) == 0) {
        return old == 0 || entry_of(old) == change->removed || place(change, slot, bits, entry_of(old));
    }
    for (size_t i = 0; i < slots_of(old); i++) {
        if (!place_all(change, slot, bits, node_of(old)->slots[i])) {
            return false;
        }
    }
    return true;
}

/* How many entries there will be beneath a node or an entry on the way of the change. */
static uint64_t count_after(const Change *change, ax_table_slot slot)
{
    uint64_t count = width_of(slot) == 0 ? slot != 0 : node_of(slot)->count;
    return count + (change->added != NULL) - (change->removed != NULL);
}

static void replaced_by(Change *change, ax_table_slot old, bool top, ax_table_slot rebuilt)
{
    change->subtree = width_of(old) == 0 ? 0 : old;
    change->bytes_gone += tree_bytes(old, top);
    change->rebuilt = rebuilt;
}

/* The same, of a slot all whose entries have one hash. */
static bool rebuild_chain(Change *change, ax_table_slot old, size_t count)
{
    ax_table_node *chain = node_new(change, count, false);
    if (chain == NULL) {
        return false;
    }
    const ax_table_slot *slots = width_of(old) == 0 ? &old : node_of(old)->slots;
    for (size_t i = 0; i < (width_of(old) == 0 ? 1 : slots_of(old)); i++) {
        if (entry_of(slots[i]) != change->removed) {
            chain->slots[chain->count++] = slots[i];
        }
    }
    if (change->added != NULL) {
        chain->slots[chain->count++] = (ax_table_slot)change->added;
    }
    replaced_by(change, old, false, (ax_table_slot)chain + AX_TABLE_CHAIN);
    return true;
}

/* Makes anew what is beneath an old slot at so many bits, with the entry that is added and without the one that
 * is removed. False without memory, when nothing is left of it. */
static bool rebuild(Change *change, ax_table_slot old, unsigned bits, bool top)
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
        tree_free(change->model, slot, top, false);
        return false;
    }
    replaced_by(change, old, top, slot);
    return true;
}

/* Frees what was made for a change that did not happen. */
static void change_undo(Change *change)
{
    for (int i = 0; i < change->depth; i++) {
        node_free(change->model, change->made[i], i == 0);
    }
    tree_free(change->model, change->rebuilt, change->depth == 0, false);
}

/* Whether the way of the change leads through this node, so that a copy of it will do; else what is there is to
 * be made anew. */
static bool is_copied(const Change *change, ax_table_slot slot, unsigned bits)
{
    unsigned width = width_of(slot);
    uint64_t count = count_after(change, slot);
    bool top = change->depth == 0;
    return width != 0 && width != AX_TABLE_CHAIN && slot != empty_root() && (count > 1 || top) &&
           !(bits + width < HASH_BITS && is_crowded(width, count)) && !is_sparse(width, count);
}

static ax_table_node *node_copy(Change *change, ax_table_slot slot)
{
    bool top = change->depth == 0;
    ax_table_node *old = node_of(slot), *node = node_new(change, slots_of(slot), top);
    if (node != NULL) {
        memcpy(node->slots, old->slots, slots_of(slot) * sizeof *node->slots);
        node->count = count_after(change, slot);
        change->bytes_gone += node_bytes(slots_of(slot), top);
        change->path[change->depth] = old;
        change->made[change->depth++] = node;
    }
    return node;
}

/* Works a change out, in a section, from this root: the slot of the new one, or 0 without memory. */
static ax_table_slot change_prepare(Change *change, ax_table_slot root)
{
    uint64_t hash = (change->added != NULL ? change->added : change->removed)->hash;
    ax_table_slot slot = root, made_root = 0;
    ax_table_slot *place_of_made = &made_root;
    unsigned bits = 0;
    if (change->removed != NULL && node_of(root)->count == 1) {
        change->subtree = root;
        return empty_root();
    }
    while (is_copied(change, slot, bits)) {
        unsigned width = width_of(slot);
        ax_table_node *node = node_copy(change, slot);
        if (node == NULL) {
            change_undo(change);
            return 0;
        }
        *place_of_made = (ax_table_slot)node + width;
        place_of_made = &node->slots[index_at(hash, bits, width)];
        slot = *place_of_made;
        bits += width;
    }
    if (!rebuild(change, slot, bits, change->depth == 0)) {
        change_undo(change);
        return 0;
    }
    *place_of_made = change->rebuilt;
    Root *old = root_of(root), *new = root_of(made_root);
    new->inserted = old->inserted + (change->added != NULL);
    new->bytes = old->bytes + change->bytes - change->bytes_gone;
    new->bytes += change->added != NULL ? sizeof(ax_table_entry) : 0;
    new->bytes -= change->removed != NULL ? sizeof(ax_table_entry) : 0;
    new->exempt = change->exempt ? change->added : old->exempt == change->removed ? NULL : old->exempt;
    return made_root;
}

/* Retired roots. */

/* Frees what a root that was swapped out took with it; runs any code if there are entries. */
static void root_free(const ax_table_model *model, ax_table_slot slot)
{
    Root *root = root_of(slot);
    const ax_table_entry *dropped = root->dropped;
    bool whole = root->whole;
    ax_table_slot subtree = root->subtree;
    ax_table_node *node = node_of(slot)->replaced;
    if (subtree != slot) {
        node_free(model, node_of(slot), true);
    }
    while (node != NULL) {
        ax_table_node *next = node->replaced;
        node_free(model, node, false);
        node = next;
    }
    tree_free(model, subtree, subtree == slot, whole);
    if (dropped != NULL) {
        entry_free(model, dropped);
    }
}

/* Writes down, in the root that was swapped out, what the change replaced. */
static void change_record(const Change *change, ax_table_slot old)
{
    Root *root = root_of(old);
    ax_table_node *node = node_of(old);
    if (old == empty_root()) {
        return;
    }
    for (int i = 1; i < change->depth; i++) {
        node->replaced = change->path[i];
        node = change->path[i];
    }
    node->replaced = NULL;
    root->dropped = change->removed;
    root->subtree = change->subtree;
    root->whole = false;
}

#if AX_EPOCH_IS_NEEDED

/* Puts a list of retired roots on the stack. Lock-free. */
static void retired_push(ax_table *table, ax_table_slot first, ax_table_slot last)
{
    void *head = ax_pointer_load(&table->retired);
    do {
        root_of(last)->next = (ax_table_slot)head;
    } while (!ax_pointer_compare_exchange(&table->retired, &head, (void *)first));
}

/* Retires a root that was swapped out, or frees it at once where nothing overlaps. */
static void root_retire(ax_table *table, const ax_table_model *model, ax_table_slot slot)
{
    if (slot != empty_root()) {
        root_of(slot)->epoch = ax_epoch_now();
        retired_push(table, slot, slot);
    }
    ax_table_collect(table, model);
}

void ax_table_collect(ax_table *table, const ax_table_model *model)
{
    if (!ax_table_has_retired(table)) {
        return;
    }
    for (int i = 0; i < 2 && ax_epoch_advance(); i++) {
    }
    ax_table_slot list = (ax_table_slot)ax_pointer_exchange(&table->retired, NULL);
    ax_table_slot over = 0, kept = 0, last_kept = 0;
    while (list != 0) {
        ax_table_slot slot = list;
        ax_table_slot *to = ax_epoch_is_over(root_of(slot)->epoch) ? &over : &kept;
        list = root_of(slot)->next;
        root_of(slot)->next = *to;
        *to = slot;
        last_kept = to == &kept && last_kept == 0 ? slot : last_kept;
    }
    if (kept != 0) {
        retired_push(table, kept, last_kept);
    }
    while (over != 0) {
        ax_table_slot slot = over;
        over = root_of(slot)->next;
        root_free(model, slot);
    }
}

#else

static void root_retire(ax_table *table, const ax_table_model *model, ax_table_slot slot)
{
    (void)table;
    if (slot != empty_root()) {
        root_free(model, slot);
    }
}

void ax_table_collect(ax_table *table, const ax_table_model *model)
{
    (void)table;
    (void)model;
}

#endif

/* The operations. */

void ax_table_init(ax_table *table)
{
    (void)ax_pointer_exchange(&table->root, (void *)empty_root());
    (void)ax_pointer_exchange(&table->retired, NULL);
}

static bool swap_root(ax_table *table, ax_table_slot from, ax_table_slot to)
{
    void *expected = (void *)from;
    return ax_pointer_compare_exchange(&table->root, &expected, (void *)to);
}

/* Tries a change once, in a section, from this root: DONE, NO_MEMORY, or ABSENT if the root has changed. */
static ax_table_change change_try(ax_table *table, Change *change, ax_table_slot root)
{
    ax_table_slot made = change_prepare(change, root);
    if (made == 0) {
        return AX_TABLE_NO_MEMORY;
    }
    if (!swap_root(table, root, made)) {
        change_undo(change);
        return AX_TABLE_ABSENT;
    }
    change_record(change, root);
    return AX_TABLE_DONE;
}

static bool is_full(ax_table_slot root, uint64_t limit)
{
    return limit != 0 && node_of(root)->count - (root_of(root)->exempt != NULL) >= limit;
}

const ax_table_entry *ax_table_find_or_full(const ax_table *table, uint64_t hash, const void *query,
                                            ax_table_matches matches, uint64_t limit, bool *full)
{
    ax_table_slot root = (ax_table_slot)ax_pointer_load(&table->root);
    const ax_table_entry *entry = ax_table_find_from(root, hash, query, matches);
    *full = entry == NULL && is_full(root, limit);
    return entry;
}

ax_table_change ax_table_insert(ax_table *table, const ax_table_model *model, uint64_t thread,
                                const ax_table_addition *addition, void **found)
{
    ax_table_entry *entry = entry_new(model, addition);
    ax_table_change done = entry == NULL ? AX_TABLE_NO_MEMORY : AX_TABLE_ABSENT;
    ax_table_slot root = 0;
    while (done == AX_TABLE_ABSENT) {
        ax_section section = ax_section_enter(thread);
        root = (ax_table_slot)ax_pointer_load(&table->root);
        const ax_table_entry *present =
            ax_table_find_from(root, addition->hash, addition->query, model->matches);
        if (present != NULL) {
            model->keep(present->value);
            *found = present->value;
            done = AX_TABLE_PRESENT;
        } else if (!addition->exempt && is_full(root, addition->limit)) {
            done = AX_TABLE_FULL;
        } else {
            entry->order = root_of(root)->inserted;
            Change change = {.model = model, .added = entry, .exempt = addition->exempt};
            done = change_try(table, &change, root);
        }
        ax_section_leave(section);
    }
    if (done == AX_TABLE_DONE) {
        root_retire(table, model, root);
    } else if (entry != NULL) {
        entry_free(model, entry); /* the caller has references of its own: nothing is freed but the entry */
    }
    return done;
}

ax_table_change ax_table_remove(ax_table *table, const ax_table_model *model, uint64_t thread, uint64_t hash,
                                const void *query)
{
    ax_table_change done = AX_TABLE_ABSENT;
    ax_table_slot root;
    bool there;
    do {
        ax_section section = ax_section_enter(thread);
        root = (ax_table_slot)ax_pointer_load(&table->root);
        const ax_table_entry *entry = ax_table_find_from(root, hash, query, model->matches);
        there = entry != NULL;
        if (there) {
            Change change = {.model = model, .removed = entry};
            done = change_try(table, &change, root);
        }
        ax_section_leave(section);
    } while (there && done == AX_TABLE_ABSENT);
    if (done == AX_TABLE_DONE) {
        root_retire(table, model, root);
    }
    return done;
}

void ax_table_clear(ax_table *table, const ax_table_model *model)
{
    ax_table_slot slot = (ax_table_slot)ax_pointer_exchange(&table->root, (void *)empty_root());
    if (slot != empty_root()) {
        node_of(slot)->replaced = NULL;
        root_of(slot)->dropped = NULL;
        root_of(slot)->subtree = slot;
        root_of(slot)->whole = true;
    }
    root_retire(table, model, slot);
}

void ax_table_free(ax_table *table, const ax_table_model *model)
{
    ax_table_slot slot = (ax_table_slot)ax_pointer_exchange(&table->root, (void *)empty_root());
    ax_table_slot list = (ax_table_slot)ax_pointer_exchange(&table->retired, NULL);
    while (list != 0) {
        ax_table_slot next = root_of(list)->next;
        root_free(model, list);
        list = next;
    }
    if (slot != empty_root()) {
        tree_free(model, slot, true, true);
    }
}

uint64_t ax_table_count(const ax_table *table, uint64_t thread)
{
    ax_section section = ax_section_enter(thread);
    uint64_t count = node_of((ax_table_slot)ax_pointer_load(&table->root))->count;
    ax_section_leave(section);
    return count;
}

size_t ax_table_bytes(const ax_table *table, uint64_t thread)
{
    ax_section section = ax_section_enter(thread);
    ax_table_slot root = (ax_table_slot)ax_pointer_load(&table->root);
    size_t bytes = root == empty_root() ? 0 : root_of(root)->bytes;
    ax_section_leave(section);
    return bytes;
}

static ax_table_item *snapshot_take(const ax_table_model *model, ax_table_slot slot, ax_table_item *items)
{
    if (width_of(slot) != 0) {
        for (size_t i = 0; i < slots_of(slot); i++) {
            items = snapshot_take(model, node_of(slot)->slots[i], items);
        }
    } else if (slot != 0) {
        const ax_table_entry *entry = entry_of(slot);
        model->keep(entry->key);
        model->keep(entry->value);
        *items++ = (ax_table_item){entry->key, entry->value, entry->order};
    }
    return items;
}

size_t ax_table_snapshot(const ax_table *table, const ax_table_model *model, uint64_t thread,
                         ax_table_item *items, size_t capacity)
{
    ax_section section = ax_section_enter(thread);
    ax_table_slot root = (ax_table_slot)ax_pointer_load(&table->root);
    size_t count = (size_t)node_of(root)->count;
    if (count <= capacity) {
        (void)snapshot_take(model, root, items);
    }
    ax_section_leave(section);
    return count;
}

static int entry_visit(const ax_table_entry *entry, int (*visit)(void *, void *), void *argument)
{
    int stop = visit(entry->key, argument);
    return stop != 0 ? stop : visit(entry->value, argument);
}

static int tree_visit(ax_table_slot slot, int (*visit)(void *, void *), void *argument)
{
    if (width_of(slot) == 0) {
        return slot == 0 ? 0 : entry_visit(entry_of(slot), visit, argument);
    }
    int stop = 0;
    for (size_t i = 0; stop == 0 && i < slots_of(slot); i++) {
        stop = tree_visit(node_of(slot)->slots[i], visit, argument);
    }
    return stop;
}

int ax_table_visit(const ax_table *table, int (*visit)(void *object, void *argument), void *argument)
{
    int stop = tree_visit((ax_table_slot)ax_pointer_load(&table->root), visit, argument);
    ax_table_slot list = (ax_table_slot)ax_pointer_load(&table->retired);
    for (; stop == 0 && list != 0; list = root_of(list)->next) {
        const Root *root = root_of(list);
        if (root->whole) {
            stop = tree_visit(list, visit, argument);
        } else if (root->dropped != NULL) {
            stop = entry_visit(root->dropped, visit, argument);
        }
    }
    return stop;
}
