/* ax_table.c: see ax_table.h. */
#include "ax_tree.h"

/* Retired nodes and entries. */

#if AX_SECTIONS_OVERLAP

enum { LEAST_PATIENCE = 32 };

/* A list of slots of nodes and entries. */
typedef struct {
    ax_table_slot first, last; /* 0 if it is empty */
    uint64_t count;
} List;

static bool is_top(ax_table_slot item)
{
    return ax_tree_width(item) != 0 && ax_tree_node(item)->top != 0;
}

/* Whether this is a root that was retired together with everything beneath it. */
static bool is_whole(ax_table_slot item)
{
    return is_top(item) && ax_tree_root_of(item)->whole;
}

static ax_table_life *life_of(ax_table_slot item)
{
    return ax_tree_width(item) == 0 ? &ax_tree_entry(item)->life : &ax_tree_node(item)->life;
}

static void list_add(List *list, ax_table_slot item)
{
    life_of(item)->next = list->first;
    list->first = item;
    list->last = list->last == 0 ? item : list->last;
    list->count++;
}

/* Puts a non-empty list in front of what is there. Lock-free. */
static void list_push(ax_pointer *head, const List *list)
{
    void *found = ax_pointer_load(head);
    do {
        life_of(list->last)->next = (ax_table_slot)found;
    } while (!ax_pointer_compare_exchange(head, &found, (void *)list->first));
}

static void discard(List *list, ax_table_slot item, uint64_t era)
{
    life_of(item)->retired = era;
    list_add(list, item);
}

static void discard_nodes(List *list, ax_table_slot slot, uint64_t era)
{
    if (ax_tree_width(slot) != 0) {
        for (size_t i = 0; i < ax_tree_slots(slot); i++) {
            discard_nodes(list, ax_tree_node(slot)->slots[i], era);
        }
        discard(list, slot, era);
    }
}

/* Retires what a change replaced, after it was published. */
static void change_retire(ax_table *table, const ax_tree_change *change)
{
    List list = {0, 0, 0};
    uint64_t era = ax_era_next();
    for (int i = 0; i < change->depth; i++) {
        discard(&list, change->path[i], era);
    }
    if (change->subtree != ax_tree_empty()) {
        discard_nodes(&list, change->subtree, era);
    }
    if (change->removed != NULL) {
        discard(&list, (ax_table_slot)change->removed, era);
    }
    if (list.count != 0) {
        list_push(&table->retired, &list);
    }
}

/* Retires a tree that was swapped out, with everything in it. */
static void tree_retire(ax_table *table, const ax_table_model *model, ax_table_slot root)
{
    List list = {0, 0, 0};
    (void)model;
    ax_tree_root_of(root)->whole = true;
    discard(&list, root, ax_era_next());
    list_push(&table->retired, &list);
}

/* Runs any code. */
static void item_free(const ax_table_model *model, ax_table_slot item)
{
    if (is_whole(item)) {
        ax_tree_free(model, item, true);
    } else if (ax_tree_width(item) == 0) {
        ax_tree_entry_free(model, ax_tree_entry(item));
    } else {
        ax_tree_node_free(model, ax_tree_node(item));
    }
}

static void list_free(const ax_table_model *model, ax_table_slot first)
{
    while (first != 0) {
        ax_table_slot item = first;
        first = life_of(item)->next;
        item_free(model, item);
    }
}

/* Splits a list into the items that a section protects and the others. The guard is the section that protects
 * the last of them. */
static void list_part(ax_table_slot first, const ax_sections_view *view, List *held, List *over,
                      const ax_section **guard)
{
    while (first != 0) {
        ax_table_slot item = first;
        const ax_table_life *life = life_of(item);
        uint64_t made = is_whole(item) ? ax_tree_root_of(item)->since : life->made;
        const ax_section *section = ax_sections_protect(view, made, life->retired);
        first = life->next;
        list_add(section != NULL ? held : over, item);
        *guard = section != NULL ? section : *guard;
    }
}

static bool guard_lasts(const ax_table *table)
{
    ax_section guard = {ax_pointer_load(&table->guard), ax_word_load(&table->guard_era)};
    return ax_section_lasts(&guard);
}

static void guard_set(ax_table *table, const ax_section *guard)
{
    (void)ax_pointer_exchange(&table->guard, guard->slot);
    ax_word_store(&table->guard_era, guard->era);
}

/* Whether to examine the whole held list: if the section that protected some of it is gone, or if enough was
 * added to pay for the work. */
static bool is_held_too_long(const ax_table *table)
{
    return ax_pointer_load(&table->held) != NULL &&
           (!guard_lasts(table) || (int64_t)ax_word_load(&table->patience) <= 0);
}

/* At the end, everything retired has been examined, and what is held is guarded by a section that still
 * existed after the list was put back: the thread that leaves that section examines it again. */
void ax_table_collect(ax_table *table, const ax_table_model *model)
{
    for (;;) {
        bool all = is_held_too_long(table);
        if (!all && ax_pointer_load(&table->retired) == NULL) {
            return;
        }
        List held = {0, 0, 0}, over = {0, 0, 0};
        const ax_section *guard = NULL;
        ax_sections_view view;
        ax_table_slot fresh = (ax_table_slot)ax_pointer_exchange(&table->retired, NULL);
        ax_table_slot old = all ? (ax_table_slot)ax_pointer_exchange(&table->held, NULL) : 0;
        ax_sections_look(&view);
        list_part(fresh, &view, &held, &over, &guard);
        list_part(old, &view, &held, &over, &guard);
        if (held.count != 0) {
            if (all || !guard_lasts(table)) {
                guard_set(table, guard);
            }
            list_push(&table->held, &held);
        }
        if (all) {
            ax_word_store(&table->patience, held.count + LEAST_PATIENCE);
        } else {
            (void)ax_word_fetch_add(&table->patience, (uint64_t)0 - held.count);
        }
        list_free(model, over.first);
    }
}

static void lists_init(ax_table *table)
{
    (void)ax_pointer_exchange(&table->retired, NULL);
    (void)ax_pointer_exchange(&table->held, NULL);
    (void)ax_pointer_exchange(&table->guard, NULL);
    ax_word_store(&table->guard_era, 0);
    ax_word_store(&table->patience, LEAST_PATIENCE);
}

static void lists_free(ax_table *table, const ax_table_model *model)
{
    list_free(model, (ax_table_slot)ax_pointer_exchange(&table->retired, NULL));
    list_free(model, (ax_table_slot)ax_pointer_exchange(&table->held, NULL));
}

#else

/* Nothing overlaps: what a change replaced is freed at once. What may run any code is freed last. */
static void change_retire(ax_table *table, const ax_tree_change *change)
{
    (void)table;
    for (int i = 0; i < change->depth; i++) {
        ax_tree_node_free(change->model, ax_tree_node(change->path[i]));
    }
    if (change->subtree != ax_tree_empty()) {
        ax_tree_free(change->model, change->subtree, false);
    }
    if (change->removed != NULL) {
        ax_tree_entry_free(change->model, (ax_table_entry *)(uintptr_t)change->removed);
    }
}

static void tree_retire(ax_table *table, const ax_table_model *model, ax_table_slot root)
{
    (void)table;
    ax_tree_free(model, root, true);
}

void ax_table_collect(ax_table *table, const ax_table_model *model)
{
    (void)table;
    (void)model;
}

static void lists_init(ax_table *table)
{
    (void)table;
}

static void lists_free(ax_table *table, const ax_table_model *model)
{
    (void)table;
    (void)model;
}

#endif

/* The operations. */

void ax_table_init(ax_table *table)
{
    (void)ax_pointer_exchange(&table->root, (void *)ax_tree_empty());
    lists_init(table);
}

/* Tries a change from this root once, in a section: DONE, NO_MEMORY, or ABSENT if the root has changed. */
static ax_table_change change_try(ax_table *table, ax_tree_change *change, ax_table_slot root)
{
    void *expected = (void *)root;
#if AX_SECTIONS_OVERLAP
    change->era = ax_era_now();
#endif
    ax_table_slot made = ax_tree_prepare(change, root);
    if (made == 0) {
        return AX_TABLE_NO_MEMORY;
    }
    if (!ax_pointer_compare_exchange(&table->root, &expected, (void *)made)) {
        ax_tree_undo(change);
        return AX_TABLE_ABSENT;
    }
    return AX_TABLE_DONE;
}

static ax_table_slot root_load(const ax_table *table, ax_section *section)
{
    return (ax_table_slot)ax_section_load(section, &table->root);
}

static bool is_full(ax_table_slot root, uint64_t limit)
{
    return limit != 0 && ax_tree_node(root)->count - (ax_tree_root_of(root)->exempt != NULL) >= limit;
}

const ax_table_entry *ax_table_find_or_full(const ax_table *table, ax_section *section, uint64_t hash,
                                            const void *query, ax_table_matches matches, uint64_t limit,
                                            bool *full)
{
    ax_table_slot root = root_load(table, section);
    const ax_table_entry *entry = ax_table_find_from(root, hash, query, matches);
    *full = entry == NULL && is_full(root, limit);
    return entry;
}

/* Tries an insertion once, in a section: like ax_table_insert, or ABSENT if the root has changed. */
static ax_table_change insert_try(ax_table *table, ax_section *section, const ax_table_addition *addition,
                                  ax_tree_change *change, void **found)
{
    const ax_table_model *model = change->model;
    ax_table_slot root = root_load(table, section);
    const ax_table_entry *present = ax_table_find_from(root, addition->hash, addition->query, model->matches);
    if (present != NULL) {
        model->keep(present->value);
        *found = present->value;
        return AX_TABLE_PRESENT;
    }
    if (!addition->exempt && is_full(root, addition->limit)) {
        return AX_TABLE_FULL;
    }
    if (ax_tree_node(root)->count == UINT32_MAX) {
        return AX_TABLE_NO_MEMORY;
    }
    return change_try(table, change, root);
}

ax_table_change ax_table_insert(ax_table *table, const ax_table_model *model, uint64_t thread,
                                const ax_table_addition *addition, void **found)
{
    ax_table_entry *entry = ax_tree_entry_new(model, addition);
    if (entry == NULL) {
        return AX_TABLE_NO_MEMORY;
    }
    for (;;) {
        ax_tree_change change = {.model = model, .added = entry, .exempt = addition->exempt};
        ax_section section = ax_section_enter(thread);
        ax_table_change done = insert_try(table, &section, addition, &change, found);
        ax_section_leave(section);
        if (done == AX_TABLE_DONE) {
            change_retire(table, &change);
        } else if (done != AX_TABLE_ABSENT) {
            ax_tree_entry_free(model, entry); /* runs no code: the caller has its own references */
        }
        if (done != AX_TABLE_ABSENT) {
            ax_table_collect(table, model);
            return done;
        }
    }
}

ax_table_change ax_table_remove(ax_table *table, const ax_table_model *model, uint64_t thread, uint64_t hash,
                                const void *query)
{
    for (;;) {
        ax_tree_change change = {.model = model};
        ax_section section = ax_section_enter(thread);
        ax_table_slot root = root_load(table, &section);
        change.removed = ax_table_find_from(root, hash, query, model->matches);
        bool there = change.removed != NULL;
        ax_table_change done = there ? change_try(table, &change, root) : AX_TABLE_ABSENT;
        ax_section_leave(section);
        if (done == AX_TABLE_DONE) {
            change_retire(table, &change);
        }
        if (done != AX_TABLE_ABSENT || !there) {
            ax_table_collect(table, model);
            return done;
        }
    }
}

void ax_table_clear(ax_table *table, const ax_table_model *model)
{
    ax_table_slot root = (ax_table_slot)ax_pointer_exchange(&table->root, (void *)ax_tree_empty());
    if (root != ax_tree_empty()) {
        tree_retire(table, model, root);
    }
    ax_table_collect(table, model);
}

void ax_table_free(ax_table *table, const ax_table_model *model)
{
    ax_table_slot root = (ax_table_slot)ax_pointer_exchange(&table->root, (void *)ax_tree_empty());
    lists_free(table, model);
    if (root != ax_tree_empty()) {
        ax_tree_free(model, root, true);
    }
}

uint64_t ax_table_count(const ax_table *table, uint64_t thread)
{
    ax_section section = ax_section_enter(thread);
    uint64_t count = ax_tree_node(root_load(table, &section))->count;
    ax_section_leave(section);
    return count;
}

size_t ax_table_bytes(const ax_table *table, uint64_t thread)
{
    ax_section section = ax_section_enter(thread);
    ax_table_slot root = root_load(table, &section);
    size_t bytes = root == ax_tree_empty() ? 0 : ax_tree_root_of(root)->bytes;
    ax_section_leave(section);
    return bytes;
}

static ax_table_item *snapshot_take(const ax_table_model *model, ax_table_slot slot, ax_table_item *items)
{
    if (ax_tree_width(slot) != 0) {
        for (size_t i = 0; i < ax_tree_slots(slot); i++) {
            items = snapshot_take(model, ax_tree_node(slot)->slots[i], items);
        }
    } else if (slot != 0) {
        const ax_table_entry *entry = ax_tree_entry(slot);
        model->keep(entry->key);
        model->keep(entry->value);
        *items++ = (ax_table_item){entry->key, entry->value, entry->order};
    }
    return items;
}

size_t ax_table_snapshot(ax_table *table, const ax_table_model *model, uint64_t thread, ax_table_item *items,
                         size_t capacity)
{
    ax_section section = ax_section_enter(thread);
    ax_table_slot root = root_load(table, &section);
    size_t count = (size_t)ax_tree_node(root)->count;
    if (count <= capacity) {
        (void)snapshot_take(model, root, items);
    }
    ax_section_leave(section);
    ax_table_collect(table, model);
    return count;
}

static int entry_visit(const ax_table_entry *entry, int (*visit)(void *, void *), void *argument)
{
    int stop = visit(entry->key, argument);
    return stop != 0 ? stop : visit(entry->value, argument);
}

static int tree_visit(ax_table_slot slot, int (*visit)(void *, void *), void *argument)
{
    if (ax_tree_width(slot) == 0) {
        return slot == 0 ? 0 : entry_visit(ax_tree_entry(slot), visit, argument);
    }
    int stop = 0;
    for (size_t i = 0; stop == 0 && i < ax_tree_slots(slot); i++) {
        stop = tree_visit(ax_tree_node(slot)->slots[i], visit, argument);
    }
    return stop;
}

#if AX_SECTIONS_OVERLAP
static int list_visit(ax_table_slot item, int (*visit)(void *, void *), void *argument)
{
    int stop = 0;
    for (; stop == 0 && item != 0; item = life_of(item)->next) {
        if (is_whole(item) || ax_tree_width(item) == 0) {
            stop = tree_visit(item, visit, argument);
        }
    }
    return stop;
}
#endif

int ax_table_visit(const ax_table *table, int (*visit)(void *object, void *argument), void *argument)
{
    int stop = tree_visit((ax_table_slot)ax_pointer_load(&table->root), visit, argument);
#if AX_SECTIONS_OVERLAP
    if (stop == 0) {
        stop = list_visit((ax_table_slot)ax_pointer_load(&table->retired), visit, argument);
    }
    if (stop == 0) {
        stop = list_visit((ax_table_slot)ax_pointer_load(&table->held), visit, argument);
    }
#endif
    return stop;
}
