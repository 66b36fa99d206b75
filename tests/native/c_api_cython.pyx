# cython: language_level=3, freethreading_compatible=True
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cimport atomicx

cdef const atomicx.AtomicX_API *api = atomicx.AtomicX_Import()


def count_up(object cell, int64_t times):
    cdef atomicx.AtomicX_Int *hits = api.int_cell(api, cell)
    cdef int64_t i
    for i in range(times):
        if api.int_add(hits, 1) != atomicx.ATOMICX_OK:
            raise OverflowError("result does not fit in a signed 64-bit integer")


def count_up_detached(object counter, int64_t times):
    cdef atomicx.AtomicX_Counter *hits = api.counter_cell(api, counter)
    cdef int64_t i
    if not api.flags & atomicx.ATOMICX_DETACHED:
        raise RuntimeError("the operations need the GIL")
    with nogil:
        for i in range(times):
            api.counter_add(hits, 1)


def swap(object cell, int64_t expected, int64_t desired):
    swapped = api.int_compare_exchange(api.int_cell(api, cell), &expected, desired)
    return swapped, expected


def new(int64_t value):
    return api.int_new(api, value), api.counter_new(api, value)
