/* label_key.h: label values as the key of a series: for each one its length in UTF-8, in two bytes, and its
 * bytes. */
#ifndef AX_LABEL_KEY_H
#define AX_LABEL_KEY_H

#include "ax_py.h"

#include "ax_segment.h"

typedef struct {
    uint32_t used;
    bool too_long; /* for a key: what is in bytes is the beginning of it */
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

/* Appends any label value; false with TypeError, or with ValueError if UTF-8 cannot encode it. */
bool label_key_put_object(LabelKey *key, PyObject *value);

/* The same. Most label values are ASCII, or small ints. */
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

/* A tuple of count str from an encoding; NULL with an exception, and with none if it is not sound. *used is
 * how many bytes they took. */
PyObject *label_key_texts(const unsigned char *bytes, uint32_t size, Py_ssize_t count, uint32_t *used);

#endif
