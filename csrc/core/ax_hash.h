/* ax_hash.h: a keyed hash of short byte strings.
 *
 * Purpose. Label values are short, are often made at run time (so nothing about them is known in advance),
 * and come from outside: clients that send requests choose them. So the hash has to be cheap for ten bytes,
 * well mixed in all its bits, and hard to manipulate without the key.
 *
 * How. Sixteen bytes at a time are combined with the key and with the hash so far, by one multiplication of
 * 64 by 64 bits whose two halves are folded into one. Both factors depend on the key. Without that, a chosen
 * half could make a factor zero, and nothing after it would matter (the weakness of this construction with
 * public constants). The length goes into the last step, so a prefix has a different hash.
 *
 * This is not a cryptographic hash. Different keys can have equal hashes; a table must cope with that.
 *
 * Cost. One multiplication for up to 16 bytes, and one at the end.
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

/* Starts a hash, to which byte strings are then added. */
AX_INLINE uint64_t ax_hash_begin(const ax_hash_key *key)
{
    return key->second;
}

/* Adds length bytes to the hash so far. */
AX_INLINE uint64_t ax_hash_add(const ax_hash_key *key, uint64_t hash, const void *data, size_t length)
{
    const unsigned char *bytes = data;
    uint64_t one = 0, other = 0;
    size_t left = length;
    for (; left > 16; left -= 16, bytes += 16) {
        hash = ax_hash_fold(ax_hash_read_8(bytes) ^ key->first, ax_hash_read_8(bytes + 8) ^ hash);
    }
    if (left >= 8) { /* the two parts may overlap; together they contain every byte */
        one = ax_hash_read_8(bytes);
        other = ax_hash_read_8(bytes + left - 8);
    } else if (left >= 4) {
        one = ax_hash_read_4(bytes);
        other = ax_hash_read_4(bytes + left - 4);
    } else if (left > 0) {
        one = (uint64_t)bytes[0] << 16 | (uint64_t)bytes[left / 2] << 8 | bytes[left - 1];
    }
    return ax_hash_fold(one ^ key->first, other ^ (hash + length));
}

/* Ends a hash: its bits are well mixed from the lowest up. */
AX_INLINE uint64_t ax_hash_end(const ax_hash_key *key, uint64_t hash)
{
    return ax_hash_fold(hash ^ key->second, key->first | 1);
}

#endif
