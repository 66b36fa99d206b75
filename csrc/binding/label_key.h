/* label_key.h: label values as the key of a series: for each value, two bytes with its length in UTF-8, and
 * its UTF-8 bytes. */
#ifndef AX_LABEL_KEY_H
#define AX_LABEL_KEY_H

#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.h"

typedef struct {
    uint32_t used;
    bool too_long; /* for a key: bytes has only the beginning */
    unsigned char bytes[AX_KEY_BYTES];
} LabelKey;

AX_INLINE void label_key_put(LabelKey *key, const void *text, size_t size)
{
    if (size > sizeof key->bytes - 2 || key->used > sizeof key->bytes - 2 - size) {
        key->too_long = true;
        return;
    }
    unsigned char *end = key->bytes + key->used;
    end[0] = (unsigned char)size;
    end[1] = (unsigned char)(size >> 8);
    memcpy(end + 2, text, size);
    key->used += 2 + (uint32_t)size;
}

/* Appends a label value of any type; false with TypeError, or with ValueError if UTF-8 cannot encode it. */
bool label_key_put_object(LabelKey *key, PyObject *value);

/* The same, but fast for ASCII and small ints, which most label values are. */
AX_INLINE bool label_key_put_value(LabelKey *key, PyObject *value)
{
    if (PyUnicode_CheckExact(value) && PyUnicode_IS_COMPACT_ASCII(value)) {
        label_key_put(key, PyUnicode_DATA(value), (size_t)PyUnicode_GET_LENGTH(value));
        return true;
    }
    return label_key_put_object(key, value);
}

/* Appends count values. */
AX_INLINE bool label_key_put_all(LabelKey *key, PyObject *const *values, Py_ssize_t count)
{
    key->used = 0;
    key->too_long = false;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!label_key_put_value(key, values[i])) {
            return false;
        }
    }
    return true;
}

/* Decodes a tuple of count str; NULL with an exception, or without one if the encoding is not sound. *used is
 * the number of bytes that they took. */
PyObject *label_key_texts(const unsigned char *bytes, uint32_t size, Py_ssize_t count, uint32_t *used);

#endif
