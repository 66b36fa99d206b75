# For Cython: `cimport atomicx`, beside atomicx.get_include() in the include path. atomicx.h says what each does.
from cpython.object cimport PyObject, visitproc
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "atomicx.h" nogil:
    enum:
        ATOMICX_ABI_VERSION
        ATOMICX_OK
        ATOMICX_OVERFLOW
        ATOMICX_DETACHED

    ctypedef struct AtomicX_Int:
        pass

    ctypedef struct AtomicX_Counter:
        pass

    ctypedef struct AtomicX_API:
        uint32_t abi_version
        uint32_t flags
        size_t struct_size
        PyObject *owner
        object (*int_new)(const AtomicX_API *api, int64_t value)
        bint (*int_check)(const AtomicX_API *api, object candidate) noexcept
        AtomicX_Int *(*int_cell)(const AtomicX_API *api, object cell) except NULL
        object (*counter_new)(const AtomicX_API *api, uint64_t value)
        bint (*counter_check)(const AtomicX_API *api, object candidate) noexcept
        AtomicX_Counter *(*counter_cell)(const AtomicX_API *api, object cell) except NULL
        int64_t (*int_load)(AtomicX_Int *cell) noexcept nogil
        void (*int_store)(AtomicX_Int *cell, int64_t value) noexcept nogil
        int64_t (*int_exchange)(AtomicX_Int *cell, int64_t value) noexcept nogil
        bint (*int_compare_exchange)(AtomicX_Int *cell, int64_t *expected, int64_t desired) noexcept nogil
        int (*int_add)(AtomicX_Int *cell, int64_t delta) noexcept nogil
        int (*int_fetch_add)(AtomicX_Int *cell, int64_t delta, int64_t *previous) noexcept nogil
        int (*counter_add)(AtomicX_Counter *cell, uint64_t n) noexcept nogil
        int64_t (*counter_load)(AtomicX_Counter *cell) noexcept nogil

    const AtomicX_API *AtomicX_Import() except NULL with gil
    int AtomicX_Visit(const AtomicX_API *api, visitproc visit, void *arg) noexcept
    void AtomicX_Release(const AtomicX_API *api) noexcept with gil
