/* memory.c: see memory.h. */
#include "memory.h"

#include <string.h>

#include "explorer.h"

enum { BLOCKS = EXPLORER_THREADS + 1, BLOCK_SIZE = 512 };

static _Alignas(64) unsigned char memory[BLOCKS][BLOCK_SIZE];
static ax_word in_use[BLOCKS];
static int usable;
static size_t stripes_wanted;

static void mark(int block, uint64_t used)
{
    uint64_t before = in_use[block].bits;
    in_use[block].bits = used;
    explorer_wrote(&in_use[block], before, used);
}

static void *allocate(size_t size)
{
    explorer_point("allocate", NULL);
    if (size > BLOCK_SIZE) {
        explorer_fail("more memory is asked for than the script has");
    }
    for (int i = 0; i < usable; i++) {
        if (explorer_observe(in_use[i].bits) == 0) {
            mark(i, 1);
            return memory[i];
        }
    }
    return NULL;
}

static void release(void *block)
{
    explorer_point("free", NULL);
    int i = (int)(((unsigned char *)block - memory[0]) / BLOCK_SIZE);
    if (explorer_observe(in_use[i].bits) == 0) {
        explorer_fail("a block was freed twice");
    }
    mark(i, 0);
}

static size_t stripe_count(void)
{
    return stripes_wanted;
}

const ax_stripe_system memory_system = {allocate, release, stripe_count};

void memory_reset(int blocks, size_t stripes)
{
    memset(memory, 0, sizeof memory); /* leftovers of one execution must not influence the next */
    memset(in_use, 0, sizeof in_use);
    usable = blocks;
    stripes_wanted = stripes;
}

int memory_in_use(void)
{
    int used = 0;
    for (int i = 0; i < BLOCKS; i++) {
        used += in_use[i].bits != 0;
    }
    return used;
}
