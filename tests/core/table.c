/* table.c: compares ax_table.h with a plain list, in one thread, with real memory.
 *
 *   table [SEED]   random operations over all kinds of hashes, with failing allocations; and the hash of
 * texts that look like labels
 *
 * Status 0 if every result is right, and all memory and all references are given back. Run it under
 * AddressSanitizer, with and without AX_SERIALIZED.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ax_hash.h"
#include "ax_table.h"

#define require(holds, what) \
    ((holds) ? (void)0 : (fprintf(stderr, "line %d, seed %llu: %s\n", __LINE__, seed, what), abort()))

enum { KEYS = 1200, ROUNDS = 30000 };

typedef struct {
    int references;
    uint64_t hash;
    int inserted; /* of a value: when, counted over all insertions */
} Object;

static unsigned long long seed;
static Object keys[KEYS], values[KEYS]; /* key i is in the table with value i, if there[i] */
static bool there[KEYS];
static int blocks, failing; /* live allocations; after how many the next one fails, if positive */
static size_t bytes;        /* of the live ones */
static int insertions;
static int exempt; /* the key that never counts toward the limit */
static uint64_t state;

static uint64_t random_bits(void)
{
    state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bool matches(const void *query, const void *key)
{
    return query == key;
}

static void keep(void *object)
{
    ((Object *)object)->references++;
}

static void release(void *object)
{
    require(((Object *)object)->references-- > 0, "released too often");
}

static void *allocate(size_t size)
{
    if (failing > 0 && --failing == 0) {
        return NULL;
    }
    blocks++;
    bytes += size;
    size_t *block = malloc(size + 16);
    require(block != NULL, "no memory");
    *block = size;
    return block + 16 / sizeof *block;
}

static void give_back(void *block)
{
    size_t *start = (size_t *)block - 16 / sizeof *start;
    blocks--;
    bytes -= *start;
    free(start);
}

static const ax_table_model model = {matches, keep, release, allocate, give_back};

static size_t count_there(void)
{
    size_t count = 0;
    for (int i = 0; i < KEYS; i++) {
        count += there[i];
    }
    return count;
}

static int count_visit(void *object, void *argument)
{
    (void)object;
    ++*(size_t *)argument;
    return 0;
}

static void check_all(ax_table *table)
{
    size_t count = count_there(), visited = 0;
    for (int i = 0; i < KEYS; i++) {
        ax_section section = ax_section_enter(0);
        const ax_table_entry *entry = ax_table_find(table, &section, keys[i].hash, &keys[i], matches);
        ax_section_leave(section);
        require((entry != NULL) == there[i], "a search");
        require(entry == NULL || entry->value == &values[i], "another value");
        require(keys[i].references == there[i] && values[i].references == there[i], "references");
    }
    require(ax_table_count(table, 0) == count, "the count");
    (void)ax_table_visit(table, count_visit, &visited);
    require(visited == 2 * count, "a visit to each reference");
    static ax_table_item items[KEYS];
    if (count > 0) {
        require(ax_table_snapshot(table, &model, 0, items, count - 1) == count, "a snapshot without room");
    }
    require(ax_table_snapshot(table, &model, 0, items, count) == count, "a snapshot");
    for (size_t i = 0; i < count; i++) {
        ptrdiff_t place = (Object *)items[i].key - keys;
        require(there[place] && items[i].value == &values[place] && keys[place].references == 2, "an item");
        for (size_t j = 0; j < i && j < 20; j++) {
            ptrdiff_t other = (Object *)items[j].key - keys;
            require((items[i].order < items[j].order) == (values[place].inserted < values[other].inserted),
                    "the order");
        }
    }
    for (size_t i = 0; i < count; i++) {
        release(items[i].key);
        release(items[i].value);
    }
    require(bytes == ax_table_bytes(table, 0), "what the table takes");
}

static void insert(ax_table *table, int i)
{
    size_t count = count_there();
    uint64_t limit = random_bits() % 2 == 0 ? count + random_bits() % 3 : 0;
    void *found = NULL;
    if (i != exempt) {
        bool full;
        ax_section section = ax_section_enter(0);
        const ax_table_entry *entry =
            ax_table_find_or_full(table, &section, keys[i].hash, &keys[i], matches, limit, &full);
        ax_section_leave(section);
        require((entry != NULL) == there[i], "a search for an insertion");
        require(full == (!there[i] && limit != 0 && count - there[exempt] >= limit), "whether it is full");
    }
    failing = random_bits() % 4 == 0 ? (int)(random_bits() % 8) : 0;
    bool may_fail = failing > 0;
    ax_table_change done = ax_table_insert(
        table, &model, 0,
        &(ax_table_addition){keys[i].hash, &keys[i], &keys[i], &values[i], limit, i == exempt}, &found);
    require(done != AX_TABLE_NO_MEMORY || may_fail, "no memory");
    failing = 0;
    if (done == AX_TABLE_NO_MEMORY) {
        return;
    }
    bool full = limit != 0 && count - there[exempt] >= limit && i != exempt;
    require(done == (there[i] ? AX_TABLE_PRESENT : full ? AX_TABLE_FULL : AX_TABLE_DONE), "an insertion");
    if (done == AX_TABLE_DONE) {
        values[i].inserted = insertions++;
    }
    if (done == AX_TABLE_PRESENT) {
        require(found == &values[i], "what was there");
        release(found);
    }
    there[i] = there[i] || done == AX_TABLE_DONE;
}

static void take_out(ax_table *table, int i)
{
    failing = random_bits() % 4 == 0 ? (int)(random_bits() % 4) : 0;
    ax_table_change done = ax_table_remove(table, &model, 0, keys[i].hash, &keys[i]);
    require(done != AX_TABLE_NO_MEMORY || there[i], "no memory for nothing");
    failing = 0;
    if (done != AX_TABLE_NO_MEMORY) {
        require(done == (there[i] ? AX_TABLE_DONE : AX_TABLE_ABSENT), "a removal");
        there[i] = false;
    }
}

/* Hashes: some of them, or all, are equal in their low bits or entirely. */
static uint64_t hash_of(int kind, uint64_t i)
{
    switch (kind) {
    case 0:
        return random_bits();
    case 1:
        return random_bits() << 40;
    case 2:
        return random_bits() % 100;
    case 3:
        return i << 56 | 0x1234;
    case 4:
        return 77;
    default:
        return i % 3 == 0 ? 5 : random_bits() % 3 == 0 ? i << 60 : i;
    }
}

static void put(ax_table *table, int i)
{
    while (!there[i]) {
        insert(table, i);
    }
}

static void drop(ax_table *table, int i)
{
    while (there[i]) {
        take_out(table, i);
    }
}

/* Two keys whose hashes share their low bits get nodes of their own, which go when either key goes. */
static void shrink(void)
{
    static const uint64_t hashes[] = {0, 1, UINT64_C(1) << 20};
    ax_table table;
    ax_table_init(&table);
    for (int i = 0; i < 3; i++) {
        keys[i] = (Object){0, hashes[i], 0};
        values[i] = (Object){0, 0, 0};
    }
    memset(there, 0, sizeof there);
    exempt = KEYS - 1;
    put(&table, 0);
    put(&table, 1);
    size_t before = ax_table_bytes(&table, 0);
    put(&table, 2);
    drop(&table, 2);
    require(ax_table_bytes(&table, 0) == before, "the nodes that only two keys needed are left");
    ax_table_free(&table, &model);
}

static void play(int kind)
{
    ax_table table;
    ax_table_init(&table);
    int most = kind == 4 ? 40 : KEYS;
    for (int i = 0; i < KEYS; i++) {
        keys[i] = (Object){0, hash_of(kind, (uint64_t)i), 0};
        values[i] = (Object){0, 0, 0};
        there[i] = false;
    }
    exempt = (int)(random_bits() % (uint64_t)most);
    int removals = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int i = (int)(random_bits() % (uint64_t)most);
        if (round % 5000 == 0) {
            check_all(&table);
            removals = (int)(random_bits() % 11); /* the table grows for a while, or shrinks */
        }
        if (random_bits() % 10 < (uint64_t)removals) {
            take_out(&table, i);
        } else {
            insert(&table, i);
        }
        if (random_bits() % 20000 == 0) {
            ax_table_clear(&table, &model);
            memset(there, 0, sizeof there);
            require(blocks == 0 && ax_table_bytes(&table, 0) == 0, "memory after clear()");
        }
    }
    check_all(&table);
    if (kind == 0) {
        for (int i = 2; i < KEYS; i++) {
            drop(&table, i);
        }
        size_t most = 2 * sizeof(ax_table_entry) + 250;
        require(ax_table_bytes(&table, 0) <= most, "the nodes of what was removed are left");
    }
    if (random_bits() % 2 == 0) {
        for (int i = 0; i < KEYS; i++) {
            drop(&table, i);
        }
        require(blocks == 0 && ax_table_bytes(&table, 0) == 0, "memory after all were removed");
    }
    ax_table_free(&table, &model);
    require(blocks == 0, "memory is left over");
    for (int i = 0; i < KEYS; i++) {
        require(keys[i].references == 0 && values[i].references == 0, "references are left over");
    }
}

enum { TEXTS = 20000, GROUPS = 64 };

static int compare(const void *one, const void *other)
{
    uint64_t first = *(const uint64_t *)one, second = *(const uint64_t *)other;
    return first < second ? -1 : first > second;
}

/* Texts that differ little have different hashes, and those spread over the slots of a node. */
static void spread(const char *pattern)
{
    static uint64_t hashes[TEXTS];
    int groups[GROUPS] = {0};
    ax_hash_key key = {random_bits() | 1, random_bits() | 1};
    for (int i = 0; i < TEXTS; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, pattern, i);
        uint64_t first = ax_hash_add(&key, ax_hash_begin(&key), text, strlen(text));
        hashes[i] = ax_hash_add(&key, first, "GET", 3);
        groups[hashes[i] % GROUPS]++;
    }
    qsort(hashes, TEXTS, sizeof *hashes, compare);
    for (int i = 1; i < TEXTS; i++) {
        require(hashes[i] != hashes[i - 1], "two texts have the same hash");
    }
    for (int i = 0; i < GROUPS; i++) {
        require(groups[i] > TEXTS / GROUPS / 2 && groups[i] < TEXTS / GROUPS * 2, "the hash is lopsided");
    }
}

int main(int count, char **arguments)
{
    seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    state = seed;
    for (int kind = 0; kind < 6; kind++) {
        play(kind);
    }
    shrink();
    spread("%d");
    spread("/item/%d");
    spread("/a/longer/path/of/item/%d/and/more");
    printf("seed %llu: every result is right, nothing is left over\n", seed);
    return 0;
}
