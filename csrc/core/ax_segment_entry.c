/* ax_segment_entry.c: the entries of a segment: heap, chain and index. See ax_segment.h. */
#define AX_SHARED_MEMORY
#include "ax_segment.h"

#include <string.h>

/* Words of the control block, after the header, each on a line of its own. */
enum { AT_CURSOR = 256, AT_LAST = 384 };

/* Offsets in an entry. A field that is not atomic is immutable once the entry is published. */
enum {
    AT_HASH = 0,
    AT_PARENT = 8,
    AT_RUN = 16,               /* first_word, words */
    AT_NUMBER = 24,            /* number, size */
    AT_KIND = 32,              /* kind, mode, key_bytes, label_count */
    AT_LENGTHS = 40,           /* bound_count, label_bytes */
    AT_USED = 48,              /* low_used, high_used */
    AT_STATE = AX_ENTRY_STATE, /* atomic */
    AT_NEXT = 64,              /* atomic */
    AT_NEWEST = 72,            /* atomic: for a family, its newest child */
    AT_OLDER = 80,             /* the family's newest child before this one */
    AT_RESERVED = 88,          /* zeros up to AX_ENTRY_HEADER_BYTES */
};

#define LOW(word) ((uint32_t)(word))
#define HIGH(word) ((uint32_t)((word) >> 32))

AX_INLINE uint64_t field(const ax_segment *segment, uint64_t offset, uint64_t at)
{
    return ax_word_load(ax_segment_word(segment, offset + at));
}

AX_INLINE uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

/* The size of an entry in bytes. */
static uint64_t entry_size(uint64_t kind, uint64_t key_bytes, uint64_t label_bytes, uint64_t bound_count)
{
    uint64_t size =
        AX_ENTRY_HEADER_BYTES + ax_round_up(key_bytes, 8) + ax_round_up(label_bytes, 8) + 8 * bound_count;
    return ax_round_up(size, AX_ENTRY_UNIT) +
           (kind == AX_KIND_INT || kind == AX_KIND_FLOAT ? AX_ENTRY_UNIT : 0);
}

/* Whether the words of a run are in the range for its kind. */
AX_INLINE bool run_is_sound(const ax_segment *segment, const ax_entry *entry)
{
    return entry->low_used >= 1 && (uint64_t)entry->low_used + entry->high_used <= segment->words &&
           entry->first_word <= segment->words && entry->words <= segment->words - entry->first_word;
}

/* A family has words for its overflow child, or none; its children use its bounds. */
AX_INLINE bool kind_is_sound(const ax_entry *entry)
{
    switch (entry->kind) {
    case AX_KIND_HISTOGRAM:
        return entry->parent != 0
                   ? entry->bound_count == 0 && entry->words >= 3
                   : entry->bound_count >= 1 && (entry->words == 0 ? entry->label_count != 0
                                                                   : entry->words - 2 == entry->bound_count);
    case AX_KIND_INT:
    case AX_KIND_FLOAT:
    case AX_KIND_COUNTER:
    case AX_KIND_GAUGE:
        return entry->bound_count == 0 && (entry->words == 0 ? entry->label_count != 0 : entry->words == 1);
    case AX_KIND_TOTAL:
    case AX_KIND_PART:
        return entry->bound_count == 0 && entry->label_count == 0 &&
               entry->words == (entry->parent == 0              ? 0u
                                : ax_kind_is_owned(entry->kind) ? 2u
                                                                : 1u);
    default:
        return false;
    }
}

bool ax_entry_read(const ax_segment *segment, uint64_t offset, ax_entry *entry)
{
    if (offset % AX_ENTRY_UNIT != 0 || offset < segment->heap ||
        offset > segment->stripes - AX_ENTRY_HEADER_BYTES) {
        return false;
    }
    uint64_t run = field(segment, offset, AT_RUN), number = field(segment, offset, AT_NUMBER);
    uint64_t kind = field(segment, offset, AT_KIND), lengths = field(segment, offset, AT_LENGTHS);
    uint64_t used = field(segment, offset, AT_USED);
    entry->offset = offset;
    entry->hash = field(segment, offset, AT_HASH);
    entry->parent = field(segment, offset, AT_PARENT);
    entry->state = field(segment, offset, AT_STATE);
    entry->first_word = LOW(run);
    entry->words = HIGH(run);
    entry->number = LOW(number);
    entry->size = HIGH(number);
    entry->kind = (uint16_t)kind;
    entry->mode = (uint16_t)(kind >> 16);
    entry->key_bytes = (uint16_t)(kind >> 32);
    entry->label_count = (uint16_t)(kind >> 48);
    entry->bound_count = LOW(lengths);
    entry->label_bytes = HIGH(lengths);
    entry->low_used = LOW(used);
    entry->high_used = HIGH(used);
    if (!run_is_sound(segment, entry)) {
        return false;
    }
    if (offset == segment->heap) {
        return entry->number == 0 && entry->kind == AX_KIND_ROOT && entry->size == AX_ENTRY_HEADER_BYTES;
    }
    return kind_is_sound(entry) &&
           entry->size == entry_size(entry->kind, entry->key_bytes, entry->label_bytes, entry->bound_count) &&
           entry->size <= segment->stripes - offset && entry->number != 0;
}

/* Mixes the key in, eight bytes at a time, padding the last ones with zeros. The segment's random id makes it
 * hard to choose label values that collide in the index. */
static uint64_t hash_of(const ax_segment *segment, const ax_wanted *wanted)
{
    uint64_t hash = segment->id[0] ^ wanted->parent, word;
    const unsigned char *key = wanted->key;
    uint32_t left = wanted->key_bytes;
    for (; left > 8; left -= 8, key += 8) {
        memcpy(&word, key, 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, key, left);
    hash = (hash ^ word ^ (uint64_t)wanted->key_bytes << 56) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return hash ^ hash >> 32;
}

/* A slot of the index: 16 bits of the hash and the entry's place in the file. 0: free. */
#define SLOT_TAG_SHIFT 48

AX_INLINE uint64_t slot_of(uint64_t hash, uint64_t offset)
{
    return hash >> SLOT_TAG_SHIFT << SLOT_TAG_SHIFT | offset / AX_ENTRY_UNIT;
}

AX_INLINE ax_word *slot_at(const ax_segment *segment, uint64_t hash, uint64_t probe)
{
    return ax_segment_word(segment, segment->index + 8 * ((hash + probe) & (segment->slots - 1)));
}

AX_INLINE bool key_is(const ax_segment *segment, const ax_entry *entry, const ax_wanted *wanted,
                      uint64_t hash)
{
    return entry->hash == hash && entry->parent == wanted->parent && entry->key_bytes == wanted->key_bytes &&
           memcmp(ax_entry_key(segment, entry), wanted->key, wanted->key_bytes) == 0;
}

static ax_segment_status index_find(const ax_segment *segment, const ax_wanted *wanted, uint64_t hash,
                                    ax_entry *entry)
{
    for (uint64_t probe = 0; probe < segment->slots; probe++) {
        uint64_t slot = ax_word_load(slot_at(segment, hash, probe));
        if (slot == 0) {
            return AX_SEGMENT_MISSING;
        }
        if (slot >> SLOT_TAG_SHIFT == hash >> SLOT_TAG_SHIFT) {
            uint64_t place = slot & ((UINT64_C(1) << SLOT_TAG_SHIFT) - 1);
            if (!ax_entry_read(segment, place * AX_ENTRY_UNIT, entry)) {
                return AX_SEGMENT_DAMAGED;
            }
            if (key_is(segment, entry, wanted, hash)) {
                return AX_SEGMENT_FOUND;
            }
        }
    }
    return AX_SEGMENT_MISSING;
}

/* False: the index has no room, which cannot happen in a sound segment. */
static bool index_insert(const ax_segment *segment, const ax_entry *entry)
{
    uint64_t wanted = slot_of(entry->hash, entry->offset);
    for (uint64_t probe = 0; probe < segment->slots; probe++) {
        ax_word *slot = slot_at(segment, entry->hash, probe);
        uint64_t found = ax_word_load(slot);
        if (found == wanted || (found == 0 && ax_word_compare_exchange(slot, &found, wanted)) ||
            found == wanted) {
            return true;
        }
    }
    return false;
}

/* Makes child the newest one of its family, unless the family already has a newer one. */
static bool family_link(const ax_segment *segment, const ax_entry *child)
{
    ax_entry family, newest;
    if (!ax_entry_read(segment, child->parent, &family)) {
        return false;
    }
    ax_word *link = ax_segment_word(segment, family.offset + AT_NEWEST);
    uint64_t found = ax_word_load(link);
    do {
        if (found != 0) {
            if (!ax_entry_read(segment, found, &newest)) {
                return false;
            }
            if (newest.number >= child->number) {
                return true;
            }
        }
    } while (!ax_word_compare_exchange(link, &found, child->offset));
    return true;
}

/* Links the last entry into the index and its family, if its maker has not done so yet. */
static bool link_last(const ax_segment *segment, const ax_entry *last)
{
    return last->number == 0 ||
           (index_insert(segment, last) && (last->parent == 0 || family_link(segment, last)));
}

ax_segment_status ax_segment_root(const ax_segment *segment, ax_entry *entry)
{
    return ax_entry_read(segment, segment->heap, entry) ? AX_SEGMENT_FOUND : AX_SEGMENT_DAMAGED;
}

ax_segment_status ax_segment_next(const ax_segment *segment, const ax_entry *entry, ax_entry *next)
{
    uint32_t number = entry->number; /* entry may be next */
    uint64_t offset = field(segment, entry->offset, AT_NEXT);
    if (offset == 0) {
        return AX_SEGMENT_MISSING;
    }
    return ax_entry_read(segment, offset, next) && next->number == number + 1 ? AX_SEGMENT_FOUND
                                                                              : AX_SEGMENT_DAMAGED;
}

static ax_segment_status child_at(const ax_segment *segment, uint64_t offset, uint64_t parent,
                                  ax_entry *child)
{
    if (offset == 0) {
        return AX_SEGMENT_MISSING;
    }
    return ax_entry_read(segment, offset, child) && child->parent == parent ? AX_SEGMENT_FOUND
                                                                            : AX_SEGMENT_DAMAGED;
}

ax_segment_status ax_segment_newest_child(const ax_segment *segment, const ax_entry *family, ax_entry *child)
{
    return child_at(segment, field(segment, family->offset, AT_NEWEST), family->offset, child);
}

ax_segment_status ax_segment_older_child(const ax_segment *segment, const ax_entry *child, ax_entry *older)
{
    uint32_t number = child->number; /* child may be older */
    ax_segment_status status =
        child_at(segment, field(segment, child->offset, AT_OLDER), child->parent, older);
    return status == AX_SEGMENT_FOUND && older->number >= number ? AX_SEGMENT_DAMAGED : status;
}

ax_segment_status ax_segment_last(const ax_segment *segment, ax_entry *last)
{
    uint64_t hint = field(segment, 0, AT_LAST);
    ax_segment_status status = AX_SEGMENT_FOUND;
    if (!ax_entry_read(segment, hint == 0 ? segment->heap : hint, last)) {
        return AX_SEGMENT_DAMAGED;
    }
    while (status == AX_SEGMENT_FOUND) {
        status = ax_segment_next(segment, last, last);
        if (status == AX_SEGMENT_DAMAGED) {
            return status;
        }
    }
    return AX_SEGMENT_FOUND;
}

/* Moves the hint forward to the last entry. It is only a hint: a reader that finds it behind walks on from
 * there. */
static void remember_last(const ax_segment *segment, const ax_entry *last)
{
    ax_word *hint = ax_segment_word(segment, AT_LAST);
    ax_entry before;
    uint64_t found = ax_word_load(hint);
    while (found == 0 || (ax_entry_read(segment, found, &before) && before.number < last->number)) {
        if (ax_word_compare_exchange(hint, &found, last->offset)) {
            return;
        }
    }
}

ax_segment_status ax_segment_find(const ax_segment *segment, const ax_wanted *wanted, ax_entry *entry)
{
    uint64_t hash = hash_of(segment, wanted);
    ax_segment_status status = index_find(segment, wanted, hash, entry);
    if (status == AX_SEGMENT_MISSING) {
        /* Only the last entry may be missing from the index. */
        status = ax_segment_last(segment, entry);
        if (status == AX_SEGMENT_FOUND && (entry->number == 0 || !key_is(segment, entry, wanted, hash))) {
            status = index_find(segment, wanted, hash, entry); /* it was the last entry until just now */
        }
    }
    return status;
}

uint64_t ax_segment_heap_used(const ax_segment *segment)
{
    uint64_t cursor = field(segment, 0, AT_CURSOR);
    return cursor < segment->heap_bytes ? cursor : segment->heap_bytes;
}

/* Takes heap memory. Returns its offset and its size, both in units, in one word; 0: there is none. The
 * cursor counts from the end of the root. */
static uint64_t heap_take(const ax_segment *segment, uint64_t size)
{
    ax_word *cursor = ax_segment_word(segment, AT_CURSOR);
    uint64_t found = ax_word_load(cursor), room = segment->heap_bytes - AX_ENTRY_HEADER_BYTES;
    do {
        if (found % AX_ENTRY_UNIT != 0 || found > room || size > room - found) {
            return 0;
        }
    } while (!ax_word_compare_exchange(cursor, &found, found + size));
    return pair((uint32_t)((AX_ENTRY_HEADER_BYTES + found) / AX_ENTRY_UNIT),
                (uint32_t)(size / AX_ENTRY_UNIT));
}

/* Takes the memory that this process has left over from an entry that another process made first, if it is
 * large enough. */
static uint64_t block_take(const ax_segment *segment, ax_word *spare, uint64_t size)
{
    uint64_t kept = ax_word_exchange(spare, 0);
    if ((uint64_t)HIGH(kept) * AX_ENTRY_UNIT >= size && kept != 0) {
        return kept;
    }
    if (kept != 0) {
        ax_word_store(spare, kept); /* may lose another thread's block: only space */
    }
    return heap_take(segment, size);
}

static void entry_store(const ax_segment *segment, uint64_t offset, uint64_t at, uint64_t value)
{
    ax_word_store(ax_segment_word(segment, offset + at), value);
}

/* Writes the parts of an entry that do not depend on the entry before it. Nobody else sees the entry yet. */
static void entry_write(const ax_segment *segment, const ax_wanted *wanted, ax_entry *entry)
{
    uint64_t offset = entry->offset;
    memset(segment->memory + offset, 0, entry->size);
    entry_store(segment, offset, AT_HASH, entry->hash);
    entry_store(segment, offset, AT_PARENT, entry->parent);
    entry_store(segment, offset, AT_KIND,
                (uint64_t)entry->label_count << 48 | (uint64_t)entry->key_bytes << 32 |
                    (uint64_t)entry->mode << 16 | entry->kind);
    entry_store(segment, offset, AT_LENGTHS, pair(entry->bound_count, entry->label_bytes));
    memcpy(segment->memory + offset + AX_ENTRY_HEADER_BYTES, wanted->key, wanted->key_bytes);
    if (wanted->label_bytes != 0) {
        memcpy(segment->memory + ax_entry_bounds(entry) - ax_round_up(wanted->label_bytes, 8), wanted->labels,
               wanted->label_bytes);
    }
    for (uint32_t i = 0; i < wanted->bound_count; i++) {
        entry_store(segment, ax_entry_bounds(entry), 8 * (uint64_t)i, ax_float_bits(wanted->bounds[i]));
    }
}

/* Writes the parts that depend on the entry before it: its number and its words. False: no room. */
static bool entry_place(const ax_segment *segment, const ax_entry *last, ax_entry *entry)
{
    uint64_t low = last->low_used, high = last->high_used, older = 0;
    *(ax_kind_is_owned(entry->kind) ? &high : &low) += entry->words;
    if (low + high > segment->words) {
        return false;
    }
    entry->first_word = ax_kind_is_owned(entry->kind) ? (uint32_t)(segment->words - high) : last->low_used;
    entry->low_used = (uint32_t)low;
    entry->high_used = (uint32_t)high;
    entry->number = last->number + 1;
    if (entry->parent != 0) {
        older = field(segment, entry->parent, AT_NEWEST);
    }
    entry_store(segment, entry->offset, AT_RUN, pair(entry->first_word, entry->words));
    entry_store(segment, entry->offset, AT_NUMBER, pair(entry->number, entry->size));
    entry_store(segment, entry->offset, AT_USED, pair(entry->low_used, entry->high_used));
    entry_store(segment, entry->offset, AT_OLDER, older);
    return true;
}

/* Appends entry after the last one. Repeats until it succeeds, another process made the same entry, or there
 * is no room. */
static ax_segment_status entry_append(const ax_segment *segment, const ax_wanted *wanted, ax_word *spare,
                                      ax_entry *entry)
{
    ax_entry last, mine = *entry;
    uint64_t block = 0;
    ax_segment_status status;
    for (;;) {
        if (ax_segment_last(segment, &last) != AX_SEGMENT_FOUND || !link_last(segment, &last)) {
            status = AX_SEGMENT_DAMAGED;
            break;
        }
        status = index_find(segment, wanted, mine.hash, entry);
        if (status != AX_SEGMENT_MISSING) {
            break;
        }
        status = AX_SEGMENT_FULL;
        if ((uint64_t)last.low_used + last.high_used + mine.words > segment->words) {
            break;
        }
        if (block == 0) {
            block = block_take(segment, spare, mine.size);
            if (block == 0) {
                break;
            }
            mine.offset = segment->heap + (uint64_t)LOW(block) * AX_ENTRY_UNIT;
            entry_write(segment, wanted, &mine);
        }
        uint64_t none = 0;
        ax_word *next = ax_segment_word(segment, last.offset + AT_NEXT);
        if (entry_place(segment, &last, &mine) && ax_word_compare_exchange(next, &none, mine.offset)) {
            *entry = mine;
            (void)link_last(segment, entry);
            remember_last(segment, entry);
            return AX_SEGMENT_MADE;
        }
    }
    if (block != 0) {
        ax_word_store(spare, block);
    }
    return status;
}

ax_segment_status ax_segment_make(const ax_segment *segment, const ax_wanted *wanted, ax_word *spare,
                                  ax_entry *entry)
{
    uint64_t hash = hash_of(segment, wanted);
    ax_segment_status status = index_find(segment, wanted, hash, entry);
    if (status != AX_SEGMENT_MISSING) {
        return status;
    }
    uint64_t size = entry_size(wanted->kind, wanted->key_bytes, wanted->label_bytes, wanted->bound_count);
    if (size > segment->heap_bytes || wanted->words > segment->capacity) {
        return AX_SEGMENT_FULL;
    }
    *entry = (ax_entry){.hash = hash,
                        .parent = wanted->parent,
                        .size = (uint32_t)size,
                        .words = wanted->words,
                        .bound_count = wanted->bound_count,
                        .label_bytes = wanted->label_bytes,
                        .kind = wanted->kind,
                        .mode = wanted->mode,
                        .key_bytes = (uint16_t)wanted->key_bytes,
                        .label_count = wanted->label_count};
    return entry_append(segment, wanted, spare, entry);
}
