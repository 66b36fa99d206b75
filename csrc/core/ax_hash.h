/* ax_hash.h: a keyed hash of short byte strings.
 *
 * Purpose. Label values are short, are often made at run time (so nothing about them is known in advance),
 * and come from outside: clients that send requests choose them. So the hash has to be cheap for ten bytes,
 * well mixed in all its bits, and hard to manipulate without the key.
 *
 * How. Sixteen bytes at a time are combined with the key and with the hash so far, by one multiplication of
 * 64 by 64 bits whose two halves are folded into one. Both factors depend on the key. Without that, a chosen
 * half could make a factor zero, and nothing after it would matter (the weakness of this construction with
 * public constants). The length goes into the last step, so a prefix has a different hash; it is spread over
 * all bits, because in the low ones a last character could cancel it.
 *
 * This is not a cryptographic hash. Different keys can have equal hashes; a table must cope with that.
 *
 * Cost. One multiplication for up to 16 bytes.
 *
 * The hash depends on the byte order of the machine, and on the key, which differs between processes, so it
 * must not be stored.
 */
#ifndef AX_HASH_H
#define AX_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ax_atomic.h"

typedef struct {
    uint64_t first, second; /* secret, and not zero */
} ax_hash_key;

/* The product of the two, with its upper half folded into its lower half. */
AX_INLINE uint64_t ax_hash_fold(uint64_t one, uint64_t other)
{
#if defined(__SIZEOF_INT128__)
    __uint128_t product = (__uint128_t)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (one & UINT32_MAX) * (other & UINT32_MAX), high = (one >> 32) * (other >> 32);
    uint64_t cross = (one >> 32) * (other & UINT32_MAX), counter = (one & UINT32_MAX) * (other >> 32);
    uint64_t middle = (low >> 32) + (cross & UINT32_MAX) + (counter & UINT32_MAX);
    high += (cross >> 32) + (counter >> 32) + (middle >> 32);
    return ((middle << 32) | (low & UINT32_MAX)) ^ high;
#endif
}

AX_INLINE uint64_t ax_hash_read_8(const unsigned char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

AX_INLINE uint64_t ax_hash_read_4(const unsigned char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

AX_INLINE uint64_t ax_hash_read_2(const unsigned char *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Starts a hash, to which byte strings are then added. Its bits are well mixed from the lowest up, once one
 * was added. */
AX_INLINE uint64_t ax_hash_begin(const ax_hash_key *key)
{
    return key->second;
}

/* Adds length bytes to the hash so far. A zero follows them: with it, two reads of two bytes contain all of a
 * string of one to three bytes.
 *   requires ((const char *)data)[length] == 0 */
AX_INLINE uint64_t ax_hash_add(const ax_hash_key *key, uint64_t hash, const void *data, size_t length)
{
    const unsigned char *bytes = data, *end = bytes + length;
    uint64_t one = 0, other = 0; /* two reads, which may overlap, and contain every byte not yet added */
    if (length < 4) {
        if (length > 0) {
            one = ax_hash_read_2(bytes);
            other = ax_hash_read_2(end - 1);
        }
    } else if (length < 8) {
        one = ax_hash_read_4(bytes);
        other = ax_hash_read_4(end - 4);
    } else if (length <= 16) {
        one = ax_hash_read_8(bytes);
        other = ax_hash_read_8(end - 8);
    } else {
        for (; end - bytes > 16; bytes += 16) {
            hash = ax_hash_fold(ax_hash_read_8(bytes) ^ key->first, ax_hash_read_8(bytes + 8) ^ hash);
        }
        one = ax_hash_read_8(end - 16);
        other = ax_hash_read_8(end - 8);
    }
    return ax_hash_fold(one ^ key->first, other ^ (hash + length * UINT64_C(0x9E3779B97F4A7C15)));
}

#endif
