/* Reads a segment by docs/segment.md alone, as a program in another language would: no header of atomicx.

   segment_reader FILE: a line an entry, "int NAME VALUE" or "float NAME VALUE". Status 1: no sound segment.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

static uint64_t number(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    while (size > 0)
        value = value << 8 | bytes[--size];
    return value;
}

static int refuse(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return 1;
}

int main(int count, char **arguments)
{
    struct stat status;
    int file = count == 2 ? open(arguments[1], O_RDONLY) : -1;
    if (file < 0 || fstat(file, &status) < 0 || status.st_size < 128)
        return refuse("no such file, or too short");
    unsigned char *segment = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (segment == MAP_FAILED)
        return refuse("cannot be mapped");
    uint64_t capacity = number(segment + 16, 8), entry_size = number(segment + 24, 4);
    uint64_t table = number(segment + 28, 4);
    if (memcmp(segment, "atomicx\n", 8) != 0 || number(segment + 8, 4) != 1 ||
        number(segment + 12, 4) != 0x01020304 || number(segment + 60, 4) != crc32_of(segment, 60))
        return refuse("no segment");
    if (entry_size != 256 || table != 128 || (uint64_t)status.st_size != table + capacity * entry_size)
        return refuse("another layout");
    for (uint64_t i = 0; i < capacity; i++) {
        const unsigned char *entry = segment + table + i * entry_size;
        int64_t kind = __atomic_load_n((const int64_t *)(const void *)(entry + 8), __ATOMIC_ACQUIRE);
        int64_t bits = __atomic_load_n((const int64_t *)(const void *)entry, __ATOMIC_SEQ_CST);
        double real;
        memcpy(&real, &bits, sizeof real);
        if (kind == 0)
            break;
        if (kind == 1)
            printf("int %.240s %" PRId64 "\n", entry + 16, bits);
        else
            printf("float %.240s %.17g\n", entry + 16, real);
    }
    return 0;
}
