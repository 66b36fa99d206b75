/* segment_file.h: the file, or the memory, under a segment. */
#ifndef AX_SEGMENT_FILE_H
#define AX_SEGMENT_FILE_H

#include "segment.h"

typedef struct {
    const char *id; /* 16 bytes that the segment has to have; NULL: any */
    int64_t owner;
    bool has_owner, readonly;
} segment_file_options;

/* Makes the file aside and gives it its name when it is whole. False with OSError, which names the path, and
 * nothing is left. */
bool segment_file_create(const ax_segment *plan, PyObject *path, const char *target, const char *aside,
                         unsigned mode, bool replace);

/* Maps the file under the path and closes it. False with OSError, or ValueError if it is not a sound segment.
 */
bool segment_file_open(PyObject *path, const char *target, const segment_file_options *options,
                       ax_segment *view, ax_word **claim);

/* Memory that forked children inherit, for a planned segment with an id. False with OSError. */
bool segment_memory_map(ax_segment *view);

void segment_memory_unmap(ax_segment *view);

#endif
