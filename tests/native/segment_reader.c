/* Reads a segment by docs/segment.md alone, as a program in another language would: no header of atomicx.

   segment_reader FILE prints a line per name, and one per child of a family. Status 1: not a sound segment.
   It must share the pid namespace of the counting processes, and does not recognize a pid that was reused.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INT = 1, FLOAT, COUNTER, GAUGE, HISTOGRAM, TOTAL = 7, PART };

static unsigned char *segment;
static uint64_t size, processes, owners, heap, heap_end, stripes, stripe_bytes, words;

static uint32_t crc32_of(const unsigned char *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

static uint64_t number(uint64_t offset, int bytes)
{
    uint64_t value = 0;
    while (bytes > 0)
        value = value << 8 | segment[offset + (uint64_t)--bytes];
    return value;
}

static uint64_t word(uint64_t offset)
{
    return __atomic_load_n((const uint64_t *)(const void *)(segment + offset), __ATOMIC_ACQUIRE);
}

static double real(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int refuse(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return 1;
}

/* Whether there can be an entry at the offset; if so, its fields are inside the heap. */
static int is_entry(uint64_t entry)
{
    if (entry % 64 != 0 || entry < heap || entry > heap_end - 128)
        return 0;
    uint64_t entry_size = number(entry + 28, 4), key = number(entry + 36, 2), labels = number(entry + 44, 4);
    uint64_t bounds = number(entry + 40, 4);
    return entry_size <= heap_end - entry &&
           128 + (key + 7) / 8 * 8 + (labels + 7) / 8 * 8 + 8 * bounds <= entry_size &&
           number(entry + 16, 4) + number(entry + 20, 4) <= words;
}

static int is_alive(uint64_t owner)
{
    return owner != 0 && (owner >> 44) % 2 == 0 &&
           (kill((pid_t)(owner & 0x3fffff), 0) == 0 || errno != ESRCH);
}

/* The sum of a word over the stripes; for a gauge, only over those of living processes. */
static int64_t sum(uint64_t at, int living)
{
    int64_t total = 0;
    for (uint64_t stripe = 0; stripe <= processes; stripe++) {
        uint64_t owner, part;
        do {
            owner = word(owners + 128 * stripe);
            part = word(stripes + stripe_bytes * stripe + 8 * at);
        } while (word(owners + 128 * stripe) != owner);
        if (!living || stripe == 0 || is_alive(owner))
            total += (int64_t)part;
    }
    return total;
}

static double sum_of_doubles(uint64_t at)
{
    double total = 0;
    for (uint64_t stripe = 0; stripe <= processes; stripe++)
        total += real(word(stripes + stripe_bytes * stripe + 8 * at));
    return total;
}

static uint64_t bounds_of(uint64_t entry)
{
    return entry + 128 + (number(entry + 36, 2) + 7) / 8 * 8 + (number(entry + 44, 4) + 7) / 8 * 8;
}

static void print_value(uint64_t entry, uint64_t family)
{
    uint64_t kind = number(entry + 32, 2), run = number(entry + 16, 4),
             value = entry + number(entry + 28, 4) - 64;
    if (kind == INT)
        printf(" %" PRId64 "\n", (int64_t)word(value));
    else if (kind == FLOAT)
        printf(" %.17g\n", real(word(value)));
    else if (kind == COUNTER || kind == GAUGE)
        printf(" %" PRId64 "\n", sum(run, kind == GAUGE));
    else {
        uint64_t count = number(family + 40, 4);
        for (uint64_t i = 0; i < count; i++)
            printf(" <=%g:%" PRId64, real(word(bounds_of(family) + 8 * i)), sum(run + 1 + i, 0));
        printf(" more:%" PRId64 " sum %g\n", sum(run + 1 + count, 0), sum_of_doubles(run));
    }
}

/* Prints texts with their lengths before them; returns where the next one begins. */
static uint64_t print_texts(uint64_t at, uint64_t end, uint64_t count, int repeat)
{
    uint64_t begin = at;
    for (uint64_t i = 0; i < count; i++) {
        if (repeat)
            at = begin;
        if (at + 2 > end)
            break;
        uint64_t length = number(at, 2);
        if (length > end - at - 2)
            return end;
        printf("%s%.*s", i == 0 ? "(" : ",", (int)length, (const char *)segment + at + 2);
        at += 2 + length;
    }
    printf(")");
    return at;
}

static int print_children(uint64_t family)
{
    for (uint64_t child = word(heap + 64); child != 0; child = word(child + 64)) {
        if (!is_entry(child))
            return 0;
        if (number(child + 8, 8) == family && (word(child + 56) & 1) == 0) {
            printf("  ");
            print_texts(child + 128, child + 128 + number(child + 36, 2), number(family + 38, 2), 0);
            print_value(child, family);
        }
    }
    return 1;
}

/* Prints the parts of the processes that own a stripe, living or not. */
static void print_parts(uint64_t at)
{
    for (uint64_t stripe = 1; stripe <= processes; stripe++) {
        uint64_t run = stripes + stripe_bytes * stripe + 8 * at, owner, time, value;
        do {
            owner = word(owners + 128 * stripe);
            time = word(run + 8);
            value = word(run);
        } while (word(owners + 128 * stripe) != owner);
        if (time != 0 && (owner >> 44) % 2 == 0)
            printf(" %s%g at %g", is_alive(owner) ? "" : "dead ", real(value), 0.0 + real(time));
    }
    printf("\n");
}

static int print_metric(uint64_t metric)
{
    uint64_t kind = number(metric + 32, 2);
    printf("%s %.*s\n", kind == TOTAL ? "totals" : "parts", (int)number(metric + 36, 2) - 1,
           (const char *)segment + metric + 129);
    for (uint64_t child = word(heap + 64); child != 0; child = word(child + 64)) {
        if (!is_entry(child))
            return 0;
        if (number(child + 8, 8) == metric && number(child + 20, 4) == (kind == TOTAL ? 1 : 2)) {
            printf("  %.*s", (int)number(child + 36, 2), (const char *)segment + child + 128);
            if (kind == TOTAL)
                printf(" %g\n", sum_of_doubles(number(child + 16, 4)));
            else
                print_parts(number(child + 16, 4));
        }
    }
    return 1;
}

static int print_entry(uint64_t entry)
{
    static const char *const kinds[] = {"?", "int", "float", "counter", "gauge", "histogram"};
    uint64_t kind = number(entry + 32, 2), key_bytes = number(entry + 36, 2), labels = number(entry + 38, 2);
    if (kind == TOTAL || kind == PART)
        return key_bytes >= 1 && print_metric(entry);
    printf("%s %.*s", kinds[kind <= HISTOGRAM ? kind : 0], (int)key_bytes,
           (const char *)segment + entry + 128);
    if (labels == 0) {
        print_value(entry, entry);
        return 1;
    }
    uint64_t at = entry + 128 + (key_bytes + 7) / 8 * 8, end = at + number(entry + 44, 4);
    at = print_texts(at, end, labels, 0);
    printf("\n");
    if (!print_children(entry))
        return 0;
    if ((word(entry + 56) & 2) != 0) {
        printf("  ");
        print_texts(at, end, labels, 1);
        print_value(entry, entry);
    }
    return 1;
}

int main(int count, char **arguments)
{
    struct stat status;
    int file = count == 2 ? open(arguments[1], O_RDONLY | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (file < 0 || fstat(file, &status) < 0 || status.st_size < 256)
        return refuse("no such file, or too short");
    size = (uint64_t)status.st_size;
    segment = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, file, 0);
    if (segment == MAP_FAILED)
        return refuse("cannot be mapped");
    if (memcmp(segment, "atomicx\n", 8) != 0 || number(8, 4) != 2 || number(12, 4) != 0x01020304 ||
        number(252, 4) != crc32_of(segment, 252) || number(16, 8) != size)
        return refuse("not a segment of this layout");
    processes = number(32, 8);
    owners = number(56, 8);
    heap = number(64, 8);
    heap_end = heap + number(72, 8);
    stripes = number(80, 8);
    stripe_bytes = number(88, 8);
    words = number(96, 8);
    if (heap > size || heap_end > size || heap_end < heap + 128 || owners + 128 * (processes + 1) > heap ||
        stripes + stripe_bytes * (processes + 1) != size || words * 8 > stripe_bytes)
        return refuse("impossible header");
    uint64_t last = 0;
    for (uint64_t entry = word(heap + 64); entry != 0; entry = word(entry + 64)) {
        if (!is_entry(entry) || number(entry + 24, 4) != ++last)
            return refuse("damaged");
        if (number(entry + 8, 8) == 0 && !print_entry(entry))
            return refuse("damaged");
    }
    return 0;
}
