/* ax_segment.h: counters, gauges and histograms in a file that many processes have mapped.
 *
 * docs/segment.md has the layout. In short: a header that never changes; an index from keys to entries; a
 * heap of entries, in a chain in the order of their creation; and stripes, one per process, in which each
 * series has a run of words. Stripe 0 has no owner: processes that do not get a stripe of their own count
 * there.
 *
 * What is trusted. Another process, or anything that damages the file, can change every byte at any moment.
 * The header is checked once, and after that only this process's copy is used (ax_segment). An entry is
 * copied word by word into an ax_entry and checked each time; a key is compared inside the checked bounds. So
 * a hostile file can cause wrong numbers or AX_SEGMENT_DAMAGED, but no access outside the mapping. Every loop
 * ends: a walk along the chain stops where the numbers of the entries do not go up by one, and a probe of the
 * index stops after as many slots as there are.
 *
 * How an entry is made. Its maker takes memory from the heap, writes the entry there, and appends it to the
 * chain by one compare-and-swap of the last entry's `next`. That publishes the entry, and at the same time
 * gives it its words in the stripes, which begin where the previous entry's words end. Before it appends, the
 * maker links the last entry (into the index, and into its family's list of children), so that only the last
 * entry can be unlinked, and then looks up its own key. Hence no key is published twice, and a maker that is
 * killed at any instruction leaves at most unused memory in the heap. No process waits for another: a
 * compare-and-swap fails only because another one succeeded.
 *
 * How a stripe gets its owner. One word identifies the owner: a generation, which is odd while the owner
 * takes the stripe over and even once it is settled; a tag of its pid namespace; and its pid. A
 * compare-and-swap makes the generation odd; the gauges are zeroed; then it becomes even. Counters and
 * histograms stay as they are, because the next owner counts on from there. A reader of a gauge reads the
 * word before and after.
 *
 * Linearization points: making: the compare-and-swap of `next`; finding: the read of the index's slot;
 * counting: the compare-and-swap of a word in the process's own stripe. A sum over stripes is not
 * linearizable: it lies between the total at its start and the total at its end. All functions are lock-free,
 * and none runs Python code. They need AX_SHARED_MEMORY.
 */
#ifndef AX_SEGMENT_H
#define AX_SEGMENT_H

#include <stddef.h>

#include "ax_float.h"
#include "ax_int.h"

#if !defined(AX_HOLDS_BETWEEN_PROCESSES)
#error "define AX_SHARED_MEMORY before ax_atomic.h is included: its atomics hold in one process only"
#endif

enum {
    AX_SEGMENT_VERSION = 2,
    AX_SEGMENT_HEADER_BYTES = 256,
    AX_SEGMENT_LINE = 128, /* two cache lines: processors fetch them together */
    AX_ENTRY_UNIT = 64,    /* entries begin at multiples of this */
    AX_ENTRY_HEADER_BYTES = 128,
    AX_ENTRY_STATE = 56,  /* the offset of an entry's state from its start */
    AX_ENTRY_BYTES = 256, /* heap memory per unit of the capacity */
    AX_HEAP_SLACK_BYTES = 65536,
    AX_NAME_BYTES = 240,        /* the maximum length of a name */
    AX_KEY_BYTES = 1024,        /* the maximum length of a series' label values, with their lengths */
    AX_METRIC_KEY_BYTES = 4096, /* the maximum length of the key of a total, of a part, or of their metric */
    AX_SEGMENT_MOST_PROCESSES = 4096,
};
#define AX_SEGMENT_MOST_CAPACITY (UINT64_C(1) << 28)

/* Kinds of entries; 6 is not in use. Totals and parts are the values of a metric, whose meaning the segment
 * does not know: the entry of the metric is their parent, and has no words. */
typedef enum {
    AX_KIND_ROOT,
    AX_KIND_INT,
    AX_KIND_FLOAT,
    AX_KIND_COUNTER,
    AX_KIND_GAUGE,
    AX_KIND_HISTOGRAM,
    AX_KIND_TOTAL = 7, /* a double, summed over all stripes */
    AX_KIND_PART = 8,  /* a double and a time, read separately for each stripe */
} ax_kind;

/* Whether the words of this kind belong to the owner of the stripe, and are zeroed for the next one. They are
 * at the high end of a stripe. */
AX_INLINE bool ax_kind_is_owned(uint16_t kind)
{
    return kind == AX_KIND_GAUGE || kind == AX_KIND_PART;
}

/* Bits of an entry's mode. */
enum { AX_MODE_OVERFLOW = 1 }; /* for a family: the text of its overflow child follows its label names */

/* Bits of an entry's state. */
#define AX_STATE_HIDDEN UINT64_C(1)     /* removed from its family */
#define AX_STATE_OVERFLOWED UINT64_C(2) /* for a family: its overflow child was used */

/* A checked mapping: immutable. Offsets are from its start, in bytes. */
typedef struct {
    unsigned char *memory;
    uint64_t size;
    uint64_t capacity;
    uint64_t processes; /* the number of stripes, without stripe 0 */
    uint64_t index, slots;
    uint64_t owners;
    uint64_t heap, heap_bytes;
    uint64_t stripes, stripe_bytes;
    uint64_t words; /* in each stripe */
    uint64_t id[2];
} ax_segment;

/* A copy of what an entry says, checked against its segment. */
typedef struct {
    uint64_t offset;
    uint64_t hash;
    uint64_t parent; /* offset of the entry of the family or metric; 0 if it is not a child */
    uint64_t state;
    uint32_t number; /* 0 for the root, then one more for each entry */
    uint32_t size;
    uint32_t first_word, words;   /* its run in each stripe */
    uint32_t low_used, high_used; /* words in use at either end of a stripe, including this entry's */
    uint32_t bound_count, label_bytes;
    uint16_t kind, mode, key_bytes, label_count; /* label_count is 0 unless it is a family */
} ax_entry;

/* What to find or make. */
typedef struct {
    const unsigned char *key; /* a name, or label values */
    const unsigned char *labels;
    const double *bounds;
    uint64_t parent;
    uint32_t key_bytes, label_bytes, bound_count, words;
    uint16_t kind, mode, label_count;
} ax_wanted;

typedef enum {
    AX_SEGMENT_FOUND,
    AX_SEGMENT_MADE,
    AX_SEGMENT_MISSING,
    AX_SEGMENT_FULL,
    AX_SEGMENT_DAMAGED,
} ax_segment_status;

/* What is wrong with a header. */
typedef enum {
    AX_HEADER_SOUND,
    AX_HEADER_FOREIGN,
    AX_HEADER_OTHER_BYTE_ORDER,
    AX_HEADER_OLDER,
    AX_HEADER_CHECKSUM,
    AX_HEADER_NEWER,
    AX_HEADER_IMPOSSIBLE,
    AX_HEADER_SIZE,
} ax_header_status;

/* ax_segment.c */

/* Fills in everything except memory and id. False: the capacity or the number of processes is out of
 * range. */
bool ax_segment_plan(ax_segment *segment, uint64_t capacity, uint64_t processes);

/* Writes the header: AX_SEGMENT_HEADER_BYTES bytes. */
void ax_segment_write_header(const ax_segment *segment, unsigned char *header);

/* Writes the first entry of the chain: AX_ENTRY_HEADER_BYTES bytes. */
void ax_segment_write_root(unsigned char *root);

/* Fills in everything except memory from the header of a file of this size, if the header is sound. */
ax_header_status ax_segment_check(ax_segment *segment, const unsigned char *header, uint64_t size);

AX_INLINE ax_word *ax_segment_word(const ax_segment *segment, uint64_t offset)
{
    return (ax_word *)(void *)(segment->memory + offset);
}

/* A word of a run, where word < segment->words and stripe <= segment->processes. */
AX_INLINE ax_word *ax_segment_stripe_word(const ax_segment *segment, uint64_t stripe, uint64_t word)
{
    return ax_segment_word(segment, segment->stripes + stripe * segment->stripe_bytes + word * 8);
}

/* The first word of each stripe counts the process's additions to overflow children. */
enum { AX_OVERFLOW_WORD = 0 };

/* ax_segment_entry.c */

/* Copies the entry at offset. False: there is no sound entry there. */
bool ax_entry_read(const ax_segment *segment, uint64_t offset, ax_entry *entry);

AX_INLINE const unsigned char *ax_entry_key(const ax_segment *segment, const ax_entry *entry)
{
    return segment->memory + entry->offset + AX_ENTRY_HEADER_BYTES;
}

AX_INLINE uint64_t ax_round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

AX_INLINE const unsigned char *ax_entry_labels(const ax_segment *segment, const ax_entry *entry)
{
    return ax_entry_key(segment, entry) + ax_round_up(entry->key_bytes, 8);
}

/* The offset of the first bound. */
AX_INLINE uint64_t ax_entry_bounds(const ax_entry *entry)
{
    return entry->offset + AX_ENTRY_HEADER_BYTES + ax_round_up(entry->key_bytes, 8) +
           ax_round_up(entry->label_bytes, 8);
}

/* The offset of the value of an int or a float, which is on a line of its own. */
AX_INLINE uint64_t ax_entry_value(const ax_entry *entry)
{
    return entry->offset + entry->size - AX_ENTRY_UNIT;
}

/* The bits of an entry's state, which may change. */
AX_INLINE ax_word *ax_entry_state(const ax_segment *segment, const ax_entry *entry)
{
    return ax_segment_word(segment, entry->offset + AX_ENTRY_STATE);
}

/* Finds the entry with this key and parent. Returns FOUND, MISSING or DAMAGED. */
ax_segment_status ax_segment_find(const ax_segment *segment, const ax_wanted *wanted, ax_entry *entry);

/* The same, but makes the entry if it is missing. Returns FOUND, MADE, FULL or DAMAGED. *spare is heap memory
 * that this process took and did not use, or 0. */
ax_segment_status ax_segment_make(const ax_segment *segment, const ax_wanted *wanted, ax_word *spare,
                                  ax_entry *entry);

/* The root of the chain; the entry after another entry; the newest child of a family; the next older child.
 * Each returns FOUND, MISSING at the end, or DAMAGED. */
ax_segment_status ax_segment_root(const ax_segment *segment, ax_entry *entry);
ax_segment_status ax_segment_next(const ax_segment *segment, const ax_entry *entry, ax_entry *next);
ax_segment_status ax_segment_newest_child(const ax_segment *segment, const ax_entry *family, ax_entry *child);
ax_segment_status ax_segment_older_child(const ax_segment *segment, const ax_entry *child, ax_entry *older);

/* The last entry of the chain. Returns FOUND or DAMAGED. */
ax_segment_status ax_segment_last(const ax_segment *segment, ax_entry *last);

/* The number of bytes taken from the heap. */
uint64_t ax_segment_heap_used(const ax_segment *segment);

/* ax_segment_stripe.c */

/* The owner of a stripe, as one word; 0: it never had an owner. */
AX_INLINE uint64_t ax_owner_generation(uint64_t owner)
{
    return owner >> 44;
}

AX_INLINE bool ax_owner_is_settled(uint64_t owner)
{
    return owner != 0 && (ax_owner_generation(owner) & 1) == 0;
}

AX_INLINE uint32_t ax_owner_pid(uint64_t owner)
{
    return (uint32_t)(owner & 0x3fffff);
}

AX_INLINE uint32_t ax_owner_namespace(uint64_t owner)
{
    return (uint32_t)(owner >> 22 & 0x3fffff);
}

/* A process, as other processes know it. */
typedef struct {
    uint32_t pid;       /* 22 bits */
    uint32_t namespace; /* 22 bits: a tag of its pid namespace */
    uint64_t started;   /* in system ticks since boot; 0: not known */
    uint64_t boot;      /* a number that identifies this boot of the system; 0: not known */
} ax_process;

AX_INLINE ax_word *ax_segment_owner(const ax_segment *segment, uint64_t stripe)
{
    return ax_segment_word(segment, segment->owners + stripe * AX_SEGMENT_LINE);
}

/* What the record of a stripe says about its owner. What is not known yet is 0. */
ax_process ax_segment_owner_process(const ax_segment *segment, uint64_t stripe, uint64_t owner);

/* Whether the owner of a stripe, as just read, is alive. */
typedef bool (*ax_segment_is_alive)(void *context, uint64_t stripe, uint64_t owner);

/* Makes `me` the owner of a stripe that has no owner, or whose owner is dead. Returns the stripe; 0 if there
 * is none. */
uint64_t ax_segment_claim(const ax_segment *segment, const ax_process *me, ax_segment_is_alive is_alive,
                          void *context);

/* Gives back a stripe that was just claimed and in which nothing was counted. */
void ax_segment_disclaim(const ax_segment *segment, uint64_t stripe, const ax_process *me);

/* A sum of int64 values, which may be outside int64. */
typedef struct {
    int64_t high;
    uint64_t low;
} ax_sum;

AX_INLINE void ax_sum_add(ax_sum *sum, int64_t value)
{
    uint64_t low = sum->low + (uint64_t)value;
    sum->high += (value < 0 ? -1 : 0) + (low < sum->low ? 1 : 0);
    sum->low = low;
}

AX_INLINE bool ax_sum_fits(ax_sum sum)
{
    return sum.high == ((int64_t)sum.low < 0 ? -1 : 0);
}

/* The sum of a word over all stripes, as integers or as doubles. Wait-free. */
ax_sum ax_segment_sum(const ax_segment *segment, uint64_t word);
double ax_segment_sum_doubles(const ax_segment *segment, uint64_t word);

/* The part of a process. The time is the second word of the run: 0.0 if none was given, and then it is stored
 * as a negative zero, since a word of zeros means that there is no part. */
typedef struct {
    double value, time;
} ax_part;

AX_INLINE uint64_t ax_part_time_bits(double time)
{
    uint64_t bits = ax_float_bits(time);
    return bits != 0 ? bits : UINT64_C(1) << 63;
}

/* Replaces a part: the value first, so that a reader never sees an old value with a new time. Wait-free. */
void ax_part_store(ax_word *run, double value, double time);

/* Makes a part of 0 if there is none. Wait-free. */
void ax_part_begin(ax_word *run);

/* Reads the part in a stripe that belongs to this owner. False: there is none, or the stripe has another
 * owner by now. Wait-free. */
bool ax_segment_part(const ax_segment *segment, uint64_t stripe, uint64_t owner, uint64_t word,
                     ax_part *part);

/* The sum of a gauge's word over stripe 0 and the stripes of living processes. Bounded. */
ax_sum ax_segment_sum_living(const ax_segment *segment, uint64_t word, ax_segment_is_alive is_alive,
                             void *context);

#endif
