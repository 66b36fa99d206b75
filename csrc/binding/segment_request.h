/* segment_request.h: finding an entry of a segment by its name, or making it. */
#ifndef AX_SEGMENT_REQUEST_H
#define AX_SEGMENT_REQUEST_H

#include "segment.h"

/* Reads the arguments of the method of this name: (name, *label_names, overflow="other"), with bounds after
 * the name for a histogram. Returns the cell or family, made if it is missing; or NULL with TypeError,
 * ValueError, or what a warning raised. Lock-free. */
PyObject *segment_request(Segment *segment, ax_kind kind, const char *method, PyObject *args,
                          PyObject *kwargs);

#endif
