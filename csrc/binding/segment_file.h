/* segment_file.h: the file or the memory of a segment. */
#ifndef AX_SEGMENT_FILE_H
#define AX_SEGMENT_FILE_H

#include "segment.h"

typedef struct {
    const char *id; /* the 16 bytes of the id that the segment must have; NULL: any id */
    int64_t owner;
    bool has_owner, readonly;
} segment_file_options;

/* Makes the file under a temporary name, and gives it its name when it is complete. False with an OSError
 * that names the path, and no file is left. */
bool segment_file_create(const ax_segment *plan, PyObject *path, const char *target, const char *aside,
                         unsigned mode, bool replace);

/* Maps the file at the path and closes its descriptor. False with OSError, or with ValueError if it is not a
 * sound segment. */
bool segment_file_open(PyObject *path, const char *target, const segment_file_options *options,
                       ax_segment *view, ax_word **claim);

/* Maps memory that forked children inherit, for a planned segment with an id. False with OSError. */
bool segment_memory_map(ax_segment *view);

void segment_memory_unmap(ax_segment *view);

#endif
