/* label_key.c: see label_key.h. */
#include "label_key.h"

static bool put_small_int(LabelKey *key, int64_t value)
{
    char digits[24], *start = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--start = '-';
    }
    label_key_put(key, start, (size_t)(digits + sizeof digits - start));
    return true;
}

/* For a subclass, its stored value counts, whatever its own __str__ says. The UTF-8 is encoded each time and
 * not cached in the str, because without the GIL caching takes a lock. */
static bool put_text(LabelKey *key, PyObject *text)
{
    PyObject *encoded = PyUnicode_AsUTF8String(text);
    if (encoded == NULL) {
        return false;
    }
    label_key_put(key, PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return true;
}

bool label_key_put_object(LabelKey *key, PyObject *value)
{
    int64_t number;
    if (ax_long_read(value, &number)) {
        return put_small_int(key, number);
    }
    if (PyUnicode_Check(value)) {
        return put_text(key, value);
    }
    if (PyLong_Check(value)) {
        PyObject *text = PyLong_Type.tp_repr(value);
        bool put = text != NULL && put_text(key, text);
        Py_XDECREF(text);
        return put;
    }
    PyErr_Format(PyExc_TypeError, "a label value must be a str or an int, not '%.200s'",
                 Py_TYPE(value)->tp_name);
    return false;
}

PyObject *label_key_texts(const unsigned char *bytes, uint32_t size, Py_ssize_t count, uint32_t *used)
{
    PyObject *texts = PyTuple_New(count);
    *used = 0;
    for (Py_ssize_t i = 0; texts != NULL && i < count; i++) {
        uint32_t length = size - *used < 2 ? UINT32_MAX : bytes[*used] | (uint32_t)bytes[*used + 1] << 8;
        if (length > size - *used - 2 || size - *used < 2) {
            Py_CLEAR(texts); /* not sound */
            break;
        }
        PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes + *used + 2, (Py_ssize_t)length, NULL);
        if (text == NULL) {
            Py_CLEAR(texts);
            break;
        }
        PyTuple_SET_ITEM(texts, i, text);
        *used += 2 + length;
    }
    return texts;
}
