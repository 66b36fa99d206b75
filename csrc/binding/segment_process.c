/* segment_process.c: see segment_process.h. */
#include "segment_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if AX_HAS_SEGMENTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

ax_word *process_epoch_word; /* set once, before the first segment exists */
static ax_word last_epoch;   /* atomic: inherited by forks, so no epoch is used twice in a line of forks */
static ax_pointer claims;    /* atomic: a list that only grows */

/* Runs in a forked child. The fork may come between any two instructions of other threads, which no longer
 * exist there, so this only stores a word. */
static void epoch_end(void)
{
    ax_word_store(process_epoch_word, 0);
}

bool process_start(void)
{
    static ax_pointer started;
    void *ready = ax_pointer_load(&started);
    if (ready != NULL) {
        if (process_epoch_word == NULL) {
            process_epoch_word = ready; /* the interpreter that made it is about to store it */
        }
        return true;
    }
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        PyErr_NoMemory();
        return false;
    }
#ifdef MADV_WIPEONFORK
    (void)madvise(page, bytes, MADV_WIPEONFORK); /* if it fails, epoch_end alone does the job */
#endif
    void *none = NULL;
    if (!ax_pointer_compare_exchange(&started, &none, page)) {
        (void)munmap(page, bytes); /* another interpreter was first, and is about to store it */
        process_epoch_word = ax_pointer_load(&started);
        return true;
    }
    process_epoch_word = page;
    if (pthread_atfork(NULL, NULL, epoch_end) != 0) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

uint64_t process_epoch_begin(void)
{
    int64_t previous, next;
    (void)ax_int_apply(&last_epoch, ax_int_step_add, 1, &previous, &next);
    uint64_t none = 0;
    return ax_word_compare_exchange(process_epoch_word, &none, (uint64_t)next) ? (uint64_t)next : none;
}

/* Hashes a number to 22 bits; never 0. */
static uint32_t tag_of(uint64_t number)
{
    return (uint32_t)((number * UINT64_C(0x9E3779B97F4A7C15)) >> 43) | 1;
}

uint32_t process_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 ? tag_of(status.st_ino) : 1;
}

/* Reads a small file of /proc and terminates the text with a zero. Returns the number of bytes read, or
 * -1. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    ssize_t count;
    do {
        count = read(file, text, size - 1);
    } while (count < 0 && errno == EINTR);
    (void)close(file);
    text[count < 0 ? 0 : count] = '\0';
    return count;
}

/* What /proc says about a pid: its state, its number of threads, and when it was started. False: nothing. */
static bool process_stat(uint32_t pid, char *state, long *threads, uint64_t *started)
{
    char path[32], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%lu/stat", (unsigned long)pid);
    if (read_file(path, text, sizeof text) <= 0) {
        return false;
    }
    /* pid (name) state ...: the name may contain anything, so the fields are read after the last parenthesis.
     * The state is the third field, the number of threads the 20th, the start the 22nd. */
    const char *field = strrchr(text, ')');
    for (int number = 2; field != NULL && number < 22; number++) {
        field = strchr(field + 1, ' ');
        if (field != NULL && number == 2) {
            *state = field[1];
        }
        if (field != NULL && number == 19) {
            *threads = strtol(field + 1, NULL, 10);
        }
    }
    if (field == NULL) {
        return false;
    }
    *started = strtoull(field + 1, NULL, 10);
    return true;
}

static uint64_t boot_number(void)
{
    char text[64];
    uint64_t number = 0;
    ssize_t count = read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
    for (ssize_t i = 0; i < count; i++) {
        number = (number ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    }
    return number;
}

/* What the functions below know about this process. It is the same for all threads, so the first thread
 * writes it. */
static struct {
    ax_word epoch; /* atomic, written last: the epoch that the others describe */
    ax_word namespace, boot, started;
} known;

static ax_process self_ask(void)
{
    ax_process self = {.pid = (uint32_t)getpid(), .namespace = process_namespace(), .boot = boot_number()};
    char state;
    long threads;
    if (!process_stat(self.pid, &state, &threads, &self.started)) {
        self.started = 0;
    }
    return self;
}

ax_process process_self(void)
{
    uint64_t epoch = process_epoch();
    if (ax_word_load(&known.epoch) != epoch) {
        ax_process self = self_ask();
        ax_word_store(&known.namespace, self.namespace);
        ax_word_store(&known.boot, self.boot);
        ax_word_store(&known.started, self.started);
        ax_word_store(&known.epoch, epoch);
    }
    return (ax_process){.pid = (uint32_t)getpid(),
                        .namespace = (uint32_t)ax_word_load(&known.namespace),
                        .boot = ax_word_load(&known.boot),
                        .started = ax_word_load(&known.started)};
}

AX_INLINE bool differ(uint64_t one, uint64_t other)
{
    return one != 0 && other != 0 && one != other;
}

process_state process_look(const ax_process *process)
{
    ax_process self = process_self();
    if (process->pid == 0 || differ(process->boot, self.boot)) {
        return PROCESS_DEAD;
    }
    if (process->namespace != self.namespace) {
        return PROCESS_ALIVE;
    }
    if (process->pid == self.pid) {
        return differ(process->started, self.started) ? PROCESS_DEAD : PROCESS_ALIVE;
    }
    return kill((pid_t)process->pid, 0) != 0 && errno == ESRCH ? PROCESS_DEAD : PROCESS_UNSURE;
}

bool process_is_alive(const ax_process *process)
{
    process_state look = process_look(process);
    char state = 'R';
    long threads = 1;
    uint64_t started = 0;
    if (look != PROCESS_UNSURE || !process_stat(process->pid, &state, &threads, &started)) {
        return look != PROCESS_DEAD;
    }
    /* A main thread that has ended while other threads go on also looks like a zombie. */
    bool ended = state == 'X' || (state == 'Z' && threads <= 1);
    return !ended && !differ(started, process->started);
}

/* One per file that this process has ever opened. They are few, and are never freed. */
typedef struct claim_node {
    uint64_t device, inode, id[2]; /* immutable */
    ax_word claim;                 /* atomic */
    struct claim_node *next;       /* immutable once it is in the list */
} claim_node;

static claim_node *claim_find(claim_node *from, const claim_node *to, const claim_node *wanted)
{
    for (; from != to; from = from->next) {
        if (from->device == wanted->device && from->inode == wanted->inode && from->id[0] == wanted->id[0] &&
            from->id[1] == wanted->id[1]) {
            return from;
        }
    }
    return NULL;
}

ax_word *process_claim_of(uint64_t device, uint64_t inode, const uint64_t id[2])
{
    claim_node wanted = {.device = device, .inode = inode, .id = {id[0], id[1]}}, *node = NULL;
    void *first = ax_pointer_load(&claims), *looked = NULL;
    for (;;) {
        claim_node *found = claim_find(first, looked, &wanted);
        if (found != NULL) {
            PyMem_RawFree(node);
            return &found->claim;
        }
        if (node == NULL && (node = PyMem_RawCalloc(1, sizeof *node)) == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        wanted.next = looked = first;
        *node = wanted;
        if (ax_pointer_compare_exchange(&claims, &first, node)) {
            return &node->claim;
        }
        /* The next round looks at what was put in front of `looked` meanwhile. */
    }
}

#else /* no segments: only what is needed to compile */

static ax_word no_epoch = {1};
ax_word *process_epoch_word = &no_epoch;

bool process_start(void)
{
    return true;
}

uint64_t process_epoch_begin(void)
{
    return 1;
}

ax_process process_self(void)
{
    return (ax_process){0};
}

process_state process_look(const ax_process *process)
{
    (void)process;
    return PROCESS_ALIVE;
}

bool process_is_alive(const ax_process *process)
{
    (void)process;
    return true;
}

#endif
