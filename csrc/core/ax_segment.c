/* ax_segment.c: the header of a segment. See ax_segment.h, and docs/segment.md for the layout. */
#define AX_SHARED_MEMORY
#include "ax_segment.h"

#include <string.h>

/* Offsets in the header. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_MARK = 12,
    AT_NUMBERS = 16, /* size, capacity, processes, index, slots, owners, heap, heap_bytes, stripes, ... */
    AT_ID = 104,
    AT_CHECKSUM = AX_SEGMENT_HEADER_BYTES - 4,
    OLD_CHECKSUM = 60, /* in version 1 */
    CONTROL_END = 512, /* the index begins here */
};
static const unsigned char magic[8] = {'a', 't', 'o', 'm', 'i', 'c', 'x', '\n'};
#define BYTE_ORDER_MARK UINT32_C(0x01020304)

static uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
        }
    }
    return ~crc;
}

static void put(unsigned char *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(value >> 8 * i);
    }
}

static uint64_t get(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    while (size > 0) {
        value = value << 8 | bytes[--size];
    }
    return value;
}

bool ax_segment_plan(ax_segment *segment, uint64_t capacity, uint64_t processes)
{
    if (capacity < 1 || capacity > AX_SEGMENT_MOST_CAPACITY || processes < 1 ||
        processes > AX_SEGMENT_MOST_PROCESSES) {
        return false;
    }
    segment->capacity = capacity;
    segment->processes = processes;
    segment->index = CONTROL_END;
    segment->slots = 64;
    while (segment->slots < 3 * capacity) {
        segment->slots *= 2;
    }
    segment->owners = segment->index + segment->slots * 8;
    segment->heap = segment->owners + (processes + 1) * AX_SEGMENT_LINE;
    segment->heap_bytes = capacity * AX_ENTRY_BYTES + AX_HEAP_SLACK_BYTES;
    segment->stripes = segment->heap + segment->heap_bytes;
    segment->words = 1 + capacity; /* the first one counts additions to overflow children */
    segment->stripe_bytes = ax_round_up(segment->words * 8, AX_SEGMENT_LINE);
    segment->size = segment->stripes + (processes + 1) * segment->stripe_bytes;
    return true;
}

void ax_segment_write_header(const ax_segment *segment, unsigned char *header)
{
    const uint64_t numbers[] = {segment->size,         segment->capacity,   segment->processes,
                                segment->index,        segment->slots,      segment->owners,
                                segment->heap,         segment->heap_bytes, segment->stripes,
                                segment->stripe_bytes, segment->words};
    memset(header, 0, AX_SEGMENT_HEADER_BYTES);
    memcpy(header + AT_MAGIC, magic, sizeof magic);
    put(header + AT_VERSION, AX_SEGMENT_VERSION, 4);
    put(header + AT_MARK, BYTE_ORDER_MARK, 4);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put(header + AT_NUMBERS + 8 * i, numbers[i], 8);
    }
    put(header + AT_ID, segment->id[0], 8);
    put(header + AT_ID + 8, segment->id[1], 8);
    put(header + AT_CHECKSUM, crc32_of(header, AT_CHECKSUM), 4);
}

void ax_segment_write_root(unsigned char *root)
{
    enum { AT_SIZE = 28, AT_LOW_USED = 48 };
    memset(root, 0, AX_ENTRY_HEADER_BYTES);
    put(root + AT_SIZE, AX_ENTRY_HEADER_BYTES, 4);
    put(root + AT_LOW_USED, 1, 4); /* AX_OVERFLOW_WORD */
}

ax_header_status ax_segment_check(ax_segment *segment, const unsigned char *header, uint64_t size)
{
    unsigned char wanted[AX_SEGMENT_HEADER_BYTES];
    if (size < AT_ID || memcmp(header + AT_MAGIC, magic, sizeof magic) != 0) {
        return AX_HEADER_FOREIGN;
    }
    uint64_t version = get(header + AT_VERSION, 4), mark = get(header + AT_MARK, 4);
    if (mark == UINT32_C(0x04030201)) {
        return AX_HEADER_OTHER_BYTE_ORDER;
    }
    if (version == 1 && get(header + OLD_CHECKSUM, 4) == crc32_of(header, OLD_CHECKSUM)) {
        return AX_HEADER_OLDER;
    }
    uint32_t checksum = crc32_of(header, AT_CHECKSUM);
    if (size < AX_SEGMENT_HEADER_BYTES || get(header + AT_CHECKSUM, 4) != checksum) {
        return AX_HEADER_CHECKSUM;
    }
    if (version > AX_SEGMENT_VERSION) {
        return AX_HEADER_NEWER;
    }
    segment->id[0] = get(header + AT_ID, 8);
    segment->id[1] = get(header + AT_ID + 8, 8);
    if (!ax_segment_plan(segment, get(header + AT_NUMBERS + 8, 8), get(header + AT_NUMBERS + 16, 8))) {
        return AX_HEADER_IMPOSSIBLE;
    }
    ax_segment_write_header(segment, wanted);
    if (memcmp(wanted, header, sizeof wanted) != 0) {
        return AX_HEADER_IMPOSSIBLE;
    }
    return segment->size == size ? AX_HEADER_SOUND : AX_HEADER_SIZE;
}
