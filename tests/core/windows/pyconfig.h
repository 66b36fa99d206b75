/* pyconfig.h: what Python.h of 3.13 needs from the pyconfig.h of the Windows installers, which other systems
 * lack: enough to compile the binding for Windows, with a compiler that brings the Windows headers. */
#ifndef Py_CONFIG_H
#define Py_CONFIG_H

#define MS_WIN32
#define MS_WINDOWS
#define NT_THREADS
#define WITH_THREAD
#define WITH_DOC_STRINGS 1
#define WITH_PYMALLOC 1
#define Py_ENABLE_SHARED 1
#define HAVE_UINTPTR_T 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_TIME_T 8
#define ALIGNOF_LONG 4
#define ALIGNOF_MAX_ALIGN_T 8
#define HAVE_PY_SSIZE_T 1
#if defined(_WIN64)
#define MS_WIN64
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define ALIGNOF_SIZE_T 8
typedef long long Py_ssize_t;
#else
#define SIZEOF_VOID_P 4
#define SIZEOF_SIZE_T 4
#define ALIGNOF_SIZE_T 4
typedef int Py_ssize_t;
#endif
#define PY_SSIZE_T_MAX ((Py_ssize_t)(((size_t)-1) >> 1))

#endif
