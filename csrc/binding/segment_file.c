/* segment_file.c: the file of a segment: it appears only when complete, is distrusted when opened, and stays
 * mapped without a descriptor.
 *
 * All of this is written in C so that it is one step for the interpreter: no signal handler, and so no
 * exception, can come between opening a descriptor and closing it. Only SIGKILL can, and then the system
 * closes it.
 */
#include "segment_file.h"

#if AX_HAS_SEGMENTS

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static bool os_error(int number, PyObject *path)
{
    errno = number;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    return false;
}

/* Writes all bytes at offset. Returns 0 or an errno. */
static int write_all(int file, const unsigned char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(file, bytes, size, (off_t)offset);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
            offset += (uint64_t)written;
        }
    }
    return 0;
}

/* Allocates every byte on the disk, as zeros: if the file system could not allocate one later, a write
 * through the mapping would kill the process. */
static int reserve(int file, uint64_t size)
{
#if !defined(__APPLE__)
    int failed;
    do {
        failed = posix_fallocate(file, 0, (off_t)size);
    } while (failed == EINTR);
    if (failed != EOPNOTSUPP && failed != ENOSYS && failed != EINVAL) {
        return failed;
    }
#endif
    static const unsigned char zeros[65536];
    for (uint64_t offset = 0; offset < size; offset += sizeof zeros) {
        uint64_t left = size - offset;
        int error = write_all(file, zeros, left < sizeof zeros ? (size_t)left : sizeof zeros, offset);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Renames without replacing anything, where there are no hard links. */
static int rename_alone(const char *aside, const char *target)
{
#if defined(SYS_renameat2)
    enum { RENAME_NO_REPLACE = 1 };
    return syscall(SYS_renameat2, AT_FDCWD, aside, AT_FDCWD, target, RENAME_NO_REPLACE) == 0 ? 0 : errno;
#elif defined(__APPLE__)
    return renamex_np(aside, target, RENAME_EXCL) == 0 ? 0 : errno;
#else
    (void)aside;
    (void)target;
    return ENOTSUP;
#endif
}

/* Gives the complete file its name. The caller unlinks the temporary name if it is still there. */
static int give_name(const char *aside, const char *target, bool replace)
{
    if (replace) {
        return rename(aside, target) == 0 ? 0 : errno;
    }
    if (link(aside, target) == 0) {
        return 0;
    }
    int error = errno;
    return error == EPERM || error == EOPNOTSUPP || error == ENOTSUP || error == ENOSYS || error == EMLINK
               ? rename_alone(aside, target)
               : error;
}

static int file_fill(int file, const ax_segment *plan, mode_t mode)
{
    unsigned char header[AX_SEGMENT_HEADER_BYTES], root[AX_ENTRY_HEADER_BYTES];
    ax_segment_write_header(plan, header);
    ax_segment_write_root(root);
    if (fchmod(file, mode) != 0) { /* whatever the umask is */
        return errno;
    }
    int error = reserve(file, plan->size);
    if (error == 0) {
        error = write_all(file, root, sizeof root, plan->heap);
    }
    return error == 0 ? write_all(file, header, sizeof header, 0) : error;
}

bool segment_file_create(const ax_segment *plan, PyObject *path, const char *target, const char *aside,
                         unsigned mode, bool replace)
{
    int file;
    do {
        file = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    } while (file < 0 && errno == EINTR);
    if (file < 0) {
        return os_error(errno, path);
    }
    int error = file_fill(file, plan, (mode_t)mode);
    if (close(file) != 0 && error == 0) {
        error = errno;
    }
    if (error == 0) {
        error = give_name(aside, target, replace);
    }
    (void)unlink(aside); /* already gone if it was renamed */
    return error == 0 || os_error(error, path);
}

static bool permission_error(PyObject *path, const char *why)
{
    PyObject *args = Py_BuildValue("(isO)", EPERM, why, path);
    if (args != NULL) {
        PyErr_SetObject(PyExc_PermissionError, args);
        Py_DECREF(args);
    }
    return false;
}

/* Whether a file may be trusted; false with an exception. In a world-writable directory, another user could
 * put a file, a link or a device at the path. */
static bool file_is_trusted(const struct stat *status, PyObject *path, const segment_file_options *options)
{
    if (S_ISLNK(status->st_mode)) {
        return permission_error(path, "a segment must not be a symbolic link");
    }
    if (S_ISDIR(status->st_mode)) {
        return os_error(EISDIR, path);
    }
    if (!S_ISREG(status->st_mode)) {
        return permission_error(path, "a segment must be a regular file");
    }
    if (status->st_uid != geteuid() && status->st_uid != 0 &&
        !(options->has_owner && status->st_uid == (uid_t)options->owner)) {
        return permission_error(path,
                                "the segment belongs to neither this user nor root nor the given owner");
    }
    return true;
}

static const char *const header_errors[] = {
    [AX_HEADER_FOREIGN] = "%R is not a segment of atomicx, or its first bytes are damaged",
    [AX_HEADER_OTHER_BYTE_ORDER] = "%R was made on a big-endian machine, and cannot be read on this one",
    [AX_HEADER_OLDER] =
        "%R has the layout of an older atomicx (version 1), which has no labels: create it again",
    [AX_HEADER_CHECKSUM] = "%R is damaged: its header does not match its checksum",
    [AX_HEADER_NEWER] = "%R has a newer layout than this atomicx supports (version " AX_STRING(2) ")",
    [AX_HEADER_IMPOSSIBLE] = "%R has a header that no version of atomicx writes",
    [AX_HEADER_SIZE] = "%R is truncated, or something was appended: its size does not match its header",
};

static bool header_check(int file, const struct stat *status, PyObject *path,
                         const segment_file_options *options, ax_segment *view)
{
    unsigned char header[AX_SEGMENT_HEADER_BYTES] = {0};
    ssize_t count;
    do {
        count = pread(file, header, sizeof header, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return os_error(errno, path);
    }
    ax_header_status sound = ax_segment_check(view, header, (uint64_t)status->st_size);
    if (sound != AX_HEADER_SOUND) {
        PyErr_Format(PyExc_ValueError, header_errors[sound], path);
        return false;
    }
    if (options->id != NULL && memcmp(options->id, view->id, sizeof view->id) != 0) {
        PyErr_Format(PyExc_ValueError, "%R is not the segment that was pickled, which has been replaced",
                     path);
        return false;
    }
    return true;
}

/* Maps all bytes of a segment: MAP_FAILED and errno if it cannot, also if the address space is too small. */
static void *map_all(const ax_segment *view, int protection, int flags, int file)
{
    if (view->size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return mmap(NULL, (size_t)view->size, protection, flags, file, 0);
}

static bool file_map(int file, PyObject *path, const segment_file_options *options, ax_segment *view,
                     ax_word **claim)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        return os_error(errno, path);
    }
    if (!file_is_trusted(&status, path, options) || !header_check(file, &status, path, options, view)) {
        return false;
    }
    *claim = process_claim_of((uint64_t)status.st_dev, (uint64_t)status.st_ino, view->id);
    if (*claim == NULL) {
        return false;
    }
    void *memory = map_all(view, options->readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, file);
    if (memory == MAP_FAILED) {
        return os_error(errno, path);
    }
    view->memory = memory;
    return true;
}

bool segment_file_open(PyObject *path, const char *target, const segment_file_options *options,
                       ax_segment *view, ax_word **claim)
{
    struct stat status;
    /* A device is refused before it is opened, because opening could affect it. */
    if (lstat(target, &status) != 0) {
        return os_error(errno, path);
    }
    if (!file_is_trusted(&status, path, options)) {
        return false;
    }
    int file;
    do {
        file = open(target, (options->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    } while (file < 0 && errno == EINTR);
    if (file < 0) {
        return errno == ELOOP ? permission_error(path, "a segment must not be a symbolic link")
                              : os_error(errno, path);
    }
    bool mapped = file_map(file, path, options, view, claim);
    (void)close(file); /* nothing was written through it */
    return mapped;
}

bool segment_memory_map(ax_segment *view)
{
    void *memory = map_all(view, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    if (memory == MAP_FAILED) {
        PyErr_SetFromErrno(PyExc_OSError);
        return false;
    }
    view->memory = memory;
    ax_segment_write_root(view->memory + view->heap);
    ax_segment_write_header(view, view->memory);
    return true;
}

void segment_memory_unmap(ax_segment *view)
{
    if (view->memory != NULL) {
        (void)munmap(view->memory, (size_t)view->size);
        view->memory = NULL;
    }
}

#else /* no segments: only what is needed to compile; never called */

bool segment_file_create(const ax_segment *Py_UNUSED(plan), PyObject *Py_UNUSED(path),
                         const char *Py_UNUSED(target), const char *Py_UNUSED(aside),
                         unsigned Py_UNUSED(mode), bool Py_UNUSED(replace))
{
    return false;
}

bool segment_file_open(PyObject *Py_UNUSED(path), const char *Py_UNUSED(target),
                       const segment_file_options *Py_UNUSED(options), ax_segment *Py_UNUSED(view),
                       ax_word **Py_UNUSED(claim))
{
    return false;
}

bool segment_memory_map(ax_segment *Py_UNUSED(view))
{
    return false;
}

void segment_memory_unmap(ax_segment *Py_UNUSED(view))
{
}

#endif
