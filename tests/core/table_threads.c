/* table_threads.c: ax_table.h under real threads, with real memory, in processes that fork.
 *
 *   table_threads                     threads search, insert, remove, clear and take snapshots; for
 *                                     ThreadSanitizer, which sees an entry or a node that is read after it
 *                                     was freed, or while it is written
 *   table_threads --churn             many keys come and go, while one thread searches, and another one stays
 *                                     in one section: what it found stays whole, and the memory in use stays
 *                                     a small multiple of what the table holds
 *   table_threads --fork              the process forks while threads are in their sections; each child uses
 *                                     the table, and what it removes there is given back at once
 *   table_threads --fork-unforgotten  the same without ax_sections_forget: the sections of threads that do
 *                                     not exist must hold up the memory of some children, or --fork shows
 *                                     nothing. Status 1
 *
 * Status 0 if every result is right, every reference is given back, and no memory is left over. */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <string.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "ax_table.h"
#include "threads.h"

enum { KEYS = 40, ROUNDS = 20000, FORKS = 200, CHURN = 200000, ALIVE = 100 };

/* The limit for the memory of --churn, as a multiple of what is alive. Each thread in a section may hold up
 * twice that, as ax_table.h says, and nodes that are too few to examine, together nearly four times. Each
 * thread that the system stops in ax_table_collect keeps what it took off the lists, while the others fill
 * them again. With three threads that is 1 + 3 * 4 * (1 + 3) = 49. Usually it is 6 to 12, and thousands if
 * what no section can have found is held up. */
enum { MULTIPLE = 49 };

typedef struct {
    ax_word references;
    uint64_t number;
    uint64_t payload[4]; /* plain: written before the object is in the table, read by any finder */
} Object;

static ax_table table;
static ax_word objects_alive, bytes_alive, most_bytes, started, finished;

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static Object *object_new(uint64_t number)
{
    Object *object = malloc(sizeof *object);
    require(object != NULL, "no memory");
    *object = (Object){{1}, number, {number, number, number, number}};
    (void)ax_word_fetch_add(&objects_alive, 1);
    return object;
}

static void object_check(const Object *object)
{
    for (int i = 0; i < 4; i++) {
        require(object->payload[i] == object->number, "an object was read that is not whole");
    }
}

static bool matches(const void *query, const void *key)
{
    object_check(key);
    return *(const uint64_t *)query == ((const Object *)key)->number;
}

static void keep(void *object)
{
    require(ax_word_fetch_add(&((Object *)object)->references, 1) != 0, "an object was kept that is gone");
}

static void release(void *object)
{
    Object *released = object;
    if (ax_word_fetch_add(&released->references, (uint64_t)-1) == 1) {
        memset(released->payload, 0xDD, sizeof released->payload);
        free(released);
        (void)ax_word_fetch_add(&objects_alive, (uint64_t)-1);
    }
}

static void *allocate(size_t size)
{
    size_t *block = malloc(size + 16);
    require(block != NULL, "no memory");
    *block = size;
    uint64_t bytes = ax_word_fetch_add(&bytes_alive, size) + size, most = ax_word_load(&most_bytes);
    while (bytes > most && !ax_word_compare_exchange(&most_bytes, &most, bytes)) {
    }
    return block + 16 / sizeof *block;
}

static void give_back(void *block)
{
    size_t *start = (size_t *)block - 16 / sizeof *start;
    (void)ax_word_fetch_add(&bytes_alive, (uint64_t)0 - *start);
    memset(block, 0xDD, *start);
    free(start);
}

static const ax_table_model model = {matches, keep, release, allocate, give_back};

static void search(uint64_t number, uint64_t thread)
{
    ax_section section = ax_section_enter(thread);
    for (int i = 0; i < 4; i++) {
        const ax_table_entry *entry = ax_table_find(&table, &section, mix(number), &number, matches);
        if (entry != NULL) {
            object_check(entry->value);
        }
    }
    ax_section_leave(section);
    if (ax_table_has_retired(&table)) {
        ax_table_collect(&table, &model);
    }
}

static ax_table_change insert(uint64_t number, uint64_t limit, uint64_t thread)
{
    Object *key = object_new(number), *value = object_new(number);
    void *found;
    ax_table_addition addition = {mix(number), &number, key, value, limit, false};
    ax_table_change done = ax_table_insert(&table, &model, thread, &addition, &found);
    if (done == AX_TABLE_PRESENT) {
        object_check(found);
        release(found);
    }
    release(key);
    release(value);
    return done;
}

static ax_table_change take_out(uint64_t number, uint64_t thread)
{
    return ax_table_remove(&table, &model, thread, mix(number), &number);
}

static size_t snapshot(uint64_t thread)
{
    ax_table_item items[2 * KEYS];
    size_t count = ax_table_snapshot(&table, &model, thread, items, 2 * KEYS);
    require(count <= KEYS, "more entries than the limit");
    for (size_t i = 0; i < count; i++) {
        object_check(items[i].key);
        object_check(items[i].value);
        release(items[i].key);
        release(items[i].value);
    }
    return count;
}

/* The table has no users any more: the last thread to leave a section has freed what that section held up. */
static void check_end(void)
{
    require(!ax_table_has_retired(&table), "something is held up by nobody");
    ax_table_free(&table, &model);
    require(ax_word_load(&objects_alive) == 0, "an object is left over");
    require(ax_word_load(&bytes_alive) == 0, "memory is left over");
}

static void *hammer(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument, random = thread;
    for (int round = 0; round < ROUNDS; round++) {
        random = mix(random);
        uint64_t number = random >> 32 & 63;
        switch (random & 15) {
        case 0:
            require(snapshot(thread) <= KEYS, "a snapshot");
            break;
        case 1:
            require(ax_table_count(&table, thread) <= KEYS, "a count");
            ax_table_collect(&table, &model);
            break;
        case 2:
            if (round % 16 == 0) {
                ax_table_clear(&table, &model);
            }
            break;
        case 3:
        case 4:
        case 5:
            (void)take_out(number, thread);
            break;
        case 6:
        case 7:
        case 8:
        case 9:
            (void)insert(number, KEYS, thread);
            break;
        default:
            search(number, thread);
        }
    }
    return NULL;
}

/* Finds a key that is there at the start, and reads it until the end. */
static void stay_in_section(uint64_t thread)
{
    uint64_t number = 0;
    ax_section section = ax_section_enter(thread);
    const ax_table_entry *entry = ax_table_find(&table, &section, mix(number), &number, matches);
    require(entry != NULL, "what is there at the start");
    ax_word_store(&started, 1);
    while (ax_word_load(&finished) == 0) {
        object_check(entry->key);
        object_check(entry->value);
        sched_yield();
    }
    ax_section_leave(section);
    require(ax_table_has_retired(&table), "what a section holds up was freed");
    ax_table_collect(&table, &model);
}

/* Thread 0 adds and removes keys, ALIVE of them at a time. */
static void *churn(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    if (thread == 1) {
        stay_in_section(thread);
        return NULL;
    }
    while (ax_word_load(&started) == 0) {
        sched_yield();
    }
    for (uint64_t number = ALIVE; thread == 0 && number < CHURN; number++) {
        require(take_out(number - ALIVE, thread) == AX_TABLE_DONE, "a removal");
        require(insert(number, 0, thread) == AX_TABLE_DONE, "an insertion");
    }
    if (thread == 0) {
        ax_word_store(&finished, 1);
    }
    for (uint64_t number = 0; ax_word_load(&finished) == 0; number++) {
        search(mix(number) % CHURN, thread);
    }
    return NULL;
}

#if !defined(_WIN32)

static void *use_until_finished(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument + 1, random = thread;
    while (ax_word_load(&finished) == 0) {
        random = mix(random);
        uint64_t number = random >> 32 & 31;
        if ((random & 63) == 0) {
            (void)insert(number, 0, thread);
            (void)take_out(number + 1, thread);
        } else {
            search(number, thread);
        }
    }
    return NULL;
}

/* In a child: every operation ends, and removed memory is freed at once. Status 0, or what is wrong. */
static int use_in_child(void)
{
    uint64_t number = 1000;
    require(insert(number, 0, 0) == AX_TABLE_DONE, "an insertion in a child");
    require(insert(number, 0, 0) == AX_TABLE_PRESENT, "an insertion of what is there, in a child");
    search(number, 0);
    uint64_t before = ax_word_load(&objects_alive);
    require(take_out(number, 0) == AX_TABLE_DONE, "a removal in a child");
    bool given_back = ax_word_load(&objects_alive) <= before - 2;
    ax_table_clear(&table, &model);
    require(ax_table_count(&table, 0) == 0, "a table is cleared in a child");
    return given_back && !ax_table_has_retired(&table) ? 0 : 3;
}

static void hammer_forks(void)
{
    pthread_t threads[THREADS];
    int held_up = 0;
    for (uintptr_t i = 0; i < THREADS; i++) {
        require(pthread_create(&threads[i], NULL, use_until_finished, (void *)i) == 0, "no thread");
    }
    for (int i = 0; i < FORKS; i++) {
        sched_yield();
        pid_t child = fork();
        require(child >= 0, "no child");
        if (child == 0) {
            alarm(20); /* a child that hangs */
            _exit(use_in_child());
        }
        int status = 0;
        require(waitpid(child, &status, 0) == child, "a child is lost");
        require(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3),
                "a child failed");
        held_up += WEXITSTATUS(status) == 3;
    }
    ax_word_store(&finished, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%d forks, memory held up in %d children\n", FORKS, held_up);
    require(held_up == 0, "sections of threads that do not exist held up memory");
}

#else

static void hammer_forks(void)
{
    require(false, "there are no forks here");
}

#endif

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    ax_sections_start(THREADS);
    ax_table_init(&table);
    if (strcmp(mode, "--churn") == 0) {
        for (uint64_t number = 0; number < ALIVE; number++) {
            require(insert(number, 0, 0) == AX_TABLE_DONE, "an insertion");
        }
        run(churn);
        size_t kept = ax_table_bytes(&table, 0);
        printf("%d keys came and went, %d at a time: at most %llu bytes, and %llu at the end\n", CHURN, ALIVE,
               (unsigned long long)ax_word_load(&most_bytes), (unsigned long long)kept);
        require(ax_table_count(&table, 0) == ALIVE, "the entries that are there");
        require(ax_word_load(&most_bytes) <= MULTIPLE * kept,
                "memory was held up that no section can have found");
    } else if (strcmp(mode, "--fork") == 0 || strcmp(mode, "--fork-unforgotten") == 0) {
#if !defined(_WIN32)
        require(strcmp(mode, "--fork") != 0 || pthread_atfork(NULL, NULL, ax_sections_forget) == 0,
                "no memory");
#endif
        hammer_forks();
    } else {
        run(hammer);
        printf("%d threads, %d rounds: every object was whole\n", THREADS, ROUNDS);
    }
    check_end();
    return 0;
}
