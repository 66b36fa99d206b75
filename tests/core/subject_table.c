/* subject_table.c: scripts for ax_table.h and ax_section.h.
 *
 * A state says which value each of the keys 1 to KEYS has, in one byte per key: 0 means none. Values are
 * objects of objects.h, made by the call that inserts them, and reused as soon as they are freed. Nodes and
 * entries are blocks of an arena, which are given out again at once too, and filled with garbage in between.
 * So freeing too early is detected: a value that is gone is read or counted, or garbage is copied into a new
 * root.
 *
 * At the end nothing may be left: no reference, no block, no section.
 */
#include "objects.h"

#include "ax_table.h"

#include <string.h>

#include "subject.h"

enum {
    FIND = FIRST_KIND, /* the key's value, read while the section lasts */
    INSERT,            /* with no limit; ok, or the value that was there */
    INSERT_WITHIN_1,   /* the same with a limit of 1, of 2; after: 1 if it is full */
    INSERT_WITHIN_2,
    INSERT_EXEMPT,
    REMOVE, /* ok if it was there */
    CLEAR,
    COUNT,
    SNAPSHOT,  /* the whole state */
    NO_SECTION /* broken on purpose: a search without a section */
};

static const char *const kinds[] = {
    "end",           "load",   "find",  "insert", "insert within 1", "insert within 2",
    "insert exempt", "remove", "clear", "count",  "snapshot",        "find without a section",
};

enum { KEYS = 5, BLOCKS = 28, BLOCK_SIZE = 320, RUBBISH = 0xDD };

/* Keys 1, 2, 4 and 5 meet in the first node; 1 and 2 meet in the second one too. */
static const uint64_t hashes[KEYS + 1] = {0, 0x01, 0x11, 0x02, 0x05, 0x0D};
static int64_t keys[KEYS + 1]; /* each holds its own number; they live as long as the script */

static ax_table table;
static _Alignas(64) unsigned char memory[BLOCKS][BLOCK_SIZE];
static ax_word in_use[BLOCKS]; /* the history of the thread that allocated the block, odd; or 0 */

static void mark(size_t block, uint64_t used)
{
    uint64_t before = in_use[block].bits;
    in_use[block].bits = used;
    explorer_wrote(&in_use[block], before, used);
}

static size_t block_of(const void *address)
{
    return (size_t)((const unsigned char *)address - memory[0]) / BLOCK_SIZE;
}

/* Identifies a block found in use: its address, which thread allocated it, and after which steps. */
static uint64_t identify(const void *address)
{
    bool inside =
        (const unsigned char *)address >= memory[0] && (const unsigned char *)address < memory[BLOCKS];
    return (uint64_t)(uintptr_t)address + (inside ? in_use[block_of(address)].bits : 0);
}

static void *allocate(size_t size)
{
    explorer_point("allocate", NULL);
    for (size_t i = 0; i < BLOCKS && size <= BLOCK_SIZE; i++) {
        if (in_use[i].bits == 0) {
            (void)explorer_observe(i);
            mark(i, explorer_history() | 1);
            return memory[i];
        }
    }
    explorer_fail("no block for %d bytes: the script is too large, memory leaks, or rubbish was read",
                  (int)size);
}

static void give_back(void *block)
{
    size_t i = block_of(block);
    if (block != memory[i] || in_use[i].bits == 0) {
        explorer_fail("a block was freed twice");
    }
    mark(i, 0);
    memset(block, RUBBISH, BLOCK_SIZE);
}

static bool is_key(const void *object)
{
    return (const int64_t *)object >= keys && (const int64_t *)object <= keys + KEYS;
}

static void keep(void *object)
{
    if (!is_key(object)) {
        object_keep(object);
    }
}

static void release(void *object)
{
    if (!is_key(object)) {
        ax_object_release(object);
    }
}

static bool matches(const void *query, const void *key)
{
    return *(const int64_t *)query == *(const int64_t *)key;
}

static const ax_table_model model = {matches, keep, release, allocate, give_back};

static ax_table_change insert(int64_t key, int64_t identity, uint64_t limit, bool exempt, int64_t *present)
{
    ax_object *value = object_make(identity);
    void *found;
    ax_table_addition addition = {hashes[key], &keys[key], &keys[key], value, limit, exempt};
    ax_table_change done = ax_table_insert(&table, &model, (uint64_t)explorer_thread(), &addition, &found);
    if (done == AX_TABLE_PRESENT) {
        *present = object_identity(found);
        ax_object_release(found);
    }
    ax_object_release(value);
    return done;
}

static int64_t in_state(int64_t state, int64_t key)
{
    return state >> 8 * (key - 1) & 255;
}

static int64_t with_key(int64_t state, int64_t key, int64_t value)
{
    int shift = (int)(8 * (key - 1));
    return (state & ~(INT64_C(255) << shift)) | value << shift;
}

static void reset(const Script *script)
{
    objects_reset();
    memset(memory, 0, sizeof memory);
    memset(in_use, 0, sizeof in_use);
    memset(&ax_process_sections, 0, sizeof ax_process_sections);
    if (script->stripes != 0) {
        ax_sections_start(script->stripes);
    }
    for (int64_t i = 0; i < script->drained; i++) {
        ax_process_sections.stripes[0].slots[i].bits =
            UINT64_MAX; /* taken, by a section that holds up nothing */
    }
    ax_table_init(&table);
    for (int64_t key = 1; key <= KEYS; key++) {
        keys[key] = key;
        int64_t ignored;
        if (in_state(script->initial, key) != 0) {
            (void)insert(key, in_state(script->initial, key), 0, false, &ignored);
        }
    }
    if (script->blocks != 0) {
        ax_section section = ax_section_enter(0);
        int64_t ignored;
        (void)insert(KEYS, 0x49, 0, false, &ignored);
        (void)ax_table_remove(&table, &model, 1, hashes[KEYS], &keys[KEYS]);
        ax_section_leave(section); /* and does not look at what it held up */
    }
    explorer_name(&table.root, "the root");
    explorer_name(&table.retired, "the retired roots");
    explorer_name(&table.held, "what is held");
    explorer_name(&table.guard, "the guard's slot");
    explorer_name(&table.guard_era, "the guard's era");
    explorer_name(&table.patience, "the patience");
    explorer_name(&ax_process_sections.era, "the era");
    explorer_name(&ax_process_sections.mask, "the number of stripes");
    explorer_name(&ax_process_sections.crowd, "the crowd");
    for (size_t i = 0; i < 2; i++) {
        explorer_name(&ax_process_sections.stripes[i].slots[0], "a first slot");
        explorer_name(&ax_process_sections.stripes[i].slots[1], "a second slot");
    }
}

/* Searches as its users do: the last one to leave cleans up. */
static void perform_find(const Call *call, bool in_section)
{
    int id = subject_begin(call);
    int64_t identity = 0;
    ax_section section = {NULL, 0};
    if (in_section) {
        section = ax_section_enter((uint64_t)explorer_thread());
    }
    const ax_table_entry *entry = ax_table_find(&table, &section, hashes[call->a], &keys[call->a], matches);
    if (entry != NULL) {
        ax_object *value = entry->value;
        explorer_point("use the value", &value->count);
        identity = object_identity(value);
    }
    if (in_section) {
        ax_section_leave(section);
    }
    subject_end(id, (Outcome){.ok = entry != NULL, .value = identity});
    if (in_section && ax_table_has_retired(&table)) {
        ax_table_collect(&table, &model);
    }
}

static void perform_insert(const Call *call)
{
    uint64_t limit = call->kind == INSERT_WITHIN_1 ? 1 : call->kind == INSERT_WITHIN_2 ? 2 : 0;
    int64_t present = 0;
    int id = subject_begin(call);
    ax_table_change done = insert(call->a, call->b, limit, call->kind == INSERT_EXEMPT, &present);
    subject_end(id, (Outcome){.ok = done == AX_TABLE_DONE, .value = present, .after = done == AX_TABLE_FULL});
}

static void perform_snapshot(const Call *call)
{
    ax_table_item items[KEYS];
    int64_t state = 0;
    int id = subject_begin(call);
    size_t count = ax_table_snapshot(&table, &model, (uint64_t)explorer_thread(), items, KEYS);
    for (size_t i = 0; i < count; i++) {
        state = with_key(state, *(int64_t *)items[i].key, object_identity(items[i].value));
    }
    subject_end(id, (Outcome){.ok = true, .value = state});
    for (size_t i = 0; i < count; i++) {
        ax_object_release(items[i].value);
    }
}

static void perform(const Call *call)
{
    int id;
    uint64_t thread = (uint64_t)explorer_thread();
    switch (call->kind) {
    case FIND:
    case NO_SECTION:
        perform_find(call, call->kind == FIND);
        break;
    case REMOVE:
        id = subject_begin(call);
        ax_table_change done = ax_table_remove(&table, &model, thread, hashes[call->a], &keys[call->a]);
        subject_end(id, (Outcome){.ok = done == AX_TABLE_DONE});
        break;
    case CLEAR:
        id = subject_begin(call);
        ax_table_clear(&table, &model);
        subject_end(id, (Outcome){.ok = true});
        break;
    case COUNT:
        id = subject_begin(call);
        subject_end(id, (Outcome){.ok = true, .value = (int64_t)ax_table_count(&table, thread)});
        ax_table_collect(&table, &model);
        break;
    case SNAPSHOT:
        perform_snapshot(call);
        break;
    default:
        perform_insert(call);
    }
}

static int64_t count_in(int64_t state)
{
    int64_t count = 0;
    for (int64_t key = 1; key <= KEYS; key++) {
        count += in_state(state, key) != 0;
    }
    return count;
}

/* In all scripts the overflow child is key 3, the only exempt one. */
static Outcome model_insert(int64_t *state, const Call *call)
{
    int64_t limit = call->kind == INSERT_WITHIN_1 ? 1 : call->kind == INSERT_WITHIN_2 ? 2 : KEYS;
    int64_t counted = count_in(*state) - (in_state(*state, 3) != 0);
    int64_t present = in_state(*state, call->a);
    if (present != 0 || (counted >= limit && call->kind != INSERT_EXEMPT)) {
        return (Outcome){.value = present, .after = present == 0};
    }
    *state = with_key(*state, call->a, call->b);
    return (Outcome){.ok = true};
}

static Outcome sequential(int64_t *state, const Call *call)
{
    Outcome outcome = {.ok = true};
    switch (call->kind) {
    case FIND:
    case NO_SECTION:
        outcome.value = in_state(*state, call->a);
        outcome.ok = outcome.value != 0;
        break;
    case REMOVE:
        outcome.ok = in_state(*state, call->a) != 0;
        *state = with_key(*state, call->a, 0);
        break;
    case CLEAR:
        *state = 0;
        break;
    case COUNT:
        outcome.value = count_in(*state);
        break;
    case SNAPSHOT:
        outcome.value = *state;
        break;
    default:
        outcome = model_insert(state, call);
    }
    return outcome;
}

/* Checks what is in the table at the end; then frees it, after which nothing may be left. */
static int64_t take_all(void)
{
    ax_table_item items[KEYS];
    int64_t state = 0;
    size_t count = ax_table_snapshot(&table, &model, 0, items, KEYS);
    explorer_require(count <= KEYS, "there are %d entries", (int)count);
    for (size_t i = 0; i < count; i++) {
        int64_t key = *(int64_t *)items[i].key;
        explorer_require(in_state(state, key) == 0, "key %d is there twice", (int)key);
        state = with_key(state, key, object_identity(items[i].value));
        ax_object_release(items[i].value);
    }
    ax_table_free(&table, &model);
    return state;
}

static void finish(const Script *script)
{
    explorer_require(table.retired.address == NULL && table.held.address == NULL,
                     "all sections are left, and something is still retired");
    int64_t state = take_all();
    subject_linearizable(&table_subject, script->initial, state);
    for (size_t i = 0; i < 2; i++) {
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            uint64_t left = i == 0 && j < script->drained ? UINT64_MAX : 0;
            explorer_require(ax_process_sections.stripes[i].slots[j].bits == left, "a section is left over");
        }
    }
    explorer_require(ax_process_sections.crowd.bits == 0, "a section without a slot is left over");
    for (int i = 0; i < BLOCKS; i++) {
        explorer_require(in_use[i].bits == 0, "block %d is left over", i);
    }
    for (int i = 0; i < OBJECTS; i++) {
        explorer_require(objects[i].count.bits == 0, "a reference to object %d is left over", i);
    }
}

/* States, by their keys. */
enum { ONE = 0x41, TWO = 0x4200, ONE_TWO = 0x4241, ONE_TWO_THREE = 0x434241 };

static const Script scripts[] = {
    {"a search while its entry is removed", {{{REMOVE, 1}}, {{FIND, 1}}}, .initial = ONE},
    {"a search while its entry is replaced",
     {{{REMOVE, 1}, {INSERT, 1, 7}}, {{FIND, 1}}},
     .initial = ONE,
     .deep = true},
    {"two searches and a removal",
     {{{REMOVE, 1}}, {{FIND, 1}}, {{FIND, 1}}},
     .initial = ONE,
     .preemptions = 2},
    {"sections in two stripes", {{{REMOVE, 1}}, {{FIND, 1}}}, .initial = ONE_TWO, .stripes = 2},
    {"sections without a slot", {{{REMOVE, 1}}, {{FIND, 1}}}, .initial = ONE, .drained = 2},
    {"the era ends while a search begins",
     {{{REMOVE, 2}, {REMOVE, 1}}, {{FIND, 1}}},
     .initial = ONE_TWO,
     .preemptions = 3},
    {"an entry comes and goes while a search begins",
     {{{REMOVE, 2}, {INSERT, 1, 7}, {REMOVE, 1}}, {{FIND, 1}}},
     .initial = TWO,
     .preemptions = 3},
    {"an entry is removed by one, and freed by another",
     {{{COUNT}}, {{FIND, 1}}, {{CLEAR}}},
     .initial = ONE,
     .blocks = 1,
     .preemptions = 3},
    {"a younger tree is cleared",
     {{{INSERT, 2, 7}, {INSERT, 4, 8}, {CLEAR}}, {{FIND, 1}}},
     .initial = ONE,
     .preemptions = 2},
    {"a key is inserted once", {{{INSERT, 1, 7}}, {{INSERT, 1, 8}}}},
    {"what is there is removed while it is inserted", {{{INSERT, 1, 7}}, {{REMOVE, 1}}}, .initial = ONE},
    {"no insertion is lost", {{{INSERT, 1, 7}}, {{INSERT, 2, 8}}}, .preemptions = 3},
    {"an insertion while the table is cleared", {{{CLEAR}}, {{INSERT, 2, 7}}}, .initial = ONE},
    {"a removal while the table is cleared", {{{CLEAR}}, {{REMOVE, 1}}}, .initial = ONE_TWO},
    {"two removals of one key", {{{REMOVE, 1}}, {{REMOVE, 1}}}, .initial = ONE_TWO},
    {"two removals of two keys", {{{REMOVE, 1}}, {{REMOVE, 2}}}, .initial = ONE_TWO, .preemptions = 3},
    {"a root comes back to its address",
     {{{REMOVE, 1}, {INSERT, 2, 7}, {INSERT, 1, 8}}, {{INSERT, 4, 9}}},
     .initial = ONE,
     .preemptions = 2},
    {"the limit holds", {{{INSERT_WITHIN_1, 1, 7}}, {{INSERT_WITHIN_1, 2, 8}}}},
    {"the last place is for one",
     {{{INSERT_WITHIN_2, 2, 7}}, {{INSERT_WITHIN_2, 2, 8}}},
     .initial = ONE,
     .preemptions = 3},
    {"a removal makes room", {{{REMOVE, 1}}, {{INSERT_WITHIN_1, 2, 8}}}, .initial = ONE},
    {"the exempt entry takes no place",
     {{{INSERT_EXEMPT, 3, 7}}, {{INSERT_WITHIN_1, 1, 8}}},
     .preemptions = 3},
    {"the exempt entry comes again",
     {{{INSERT_EXEMPT, 3, 7}, {REMOVE, 3}, {INSERT_EXEMPT, 3, 8}}, {{INSERT_WITHIN_1, 1, 9}}},
     .preemptions = 2},
    {"a snapshot is of one moment",
     {{{INSERT, 2, 7}, {REMOVE, 1}}, {{SNAPSHOT}}},
     .initial = ONE,
     .preemptions = 3},
    {"a snapshot while the table is cleared", {{{CLEAR}}, {{SNAPSHOT}}}, .initial = ONE_TWO},
    {"counts", {{{INSERT, 1, 7}}, {{COUNT}, {COUNT}}}},
    {"a search while the table grows",
     {{{INSERT, 4, 7}}, {{FIND, 1}, {FIND, 4}}},
     .initial = ONE_TWO_THREE,
     .preemptions = 3},
    {"two make it grow", {{{INSERT, 4, 7}}, {{INSERT, 5, 8}}}, .initial = ONE_TWO_THREE, .preemptions = 2},
    {"no insertion is lost, at any moment", {{{INSERT, 1, 7}}, {{INSERT, 2, 8}}}, .deep = true},
    {"two removals of two keys, at more moments",
     {{{REMOVE, 1}}, {{REMOVE, 2}}},
     .initial = ONE_TWO,
     .preemptions = 5,
     .deep = true},
    {"two searches and a removal, at more moments",
     {{{REMOVE, 1}}, {{FIND, 1}}, {{FIND, 1}}},
     .initial = ONE,
     .preemptions = 4,
     .deep = true},
    {"two make it grow, at more moments",
     {{{INSERT, 4, 7}}, {{INSERT, 5, 8}}},
     .initial = ONE_TWO_THREE,
     .preemptions = 4,
     .deep = true},
    {"two searches, an insertion and a removal",
     {{{REMOVE, 1}}, {{INSERT, 2, 7}}, {{FIND, 1}}, {{FIND, 2}}},
     .initial = ONE,
     .preemptions = 2,
     .deep = true},
    {"an insertion, a removal and a clear",
     {{{REMOVE, 1}}, {{INSERT, 2, 7}}, {{CLEAR}}},
     .initial = ONE,
     .preemptions = 3,
     .deep = true},
    {"control: a search without a section",
     {{{REMOVE, 1}}, {{NO_SECTION, 1}}},
     .initial = ONE,
     .fails = "an object was returned that is free"},
};

const Subject table_subject = {
    .name = "table",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = sequential,
    .finish = finish,
    .identify = identify,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
