/* objects.h: an object model for ax_ref.h, in type-stable memory: a freed block stays readable, and is reused
 * for the next object that is made.
 *
 * Each block has a reference count, the identity of the object in it (0 while it is free) and a mark that
 * ax_object_share sets. Counting is one step; so are making and freeing an object.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "ax_atomic.h"
#include "explorer.h"

typedef struct {
    ax_word count;
    ax_word identity;
    ax_word shared;
} ax_object;

enum { OBJECTS = 8 };

extern ax_object objects[OBJECTS];

void objects_reset(void);
ax_object *object_make(int64_t identity);   /* with one reference, in the first free block */
void object_keep(ax_object *object);        /* adds a reference; the caller owns one */
int64_t object_identity(ax_object *object); /* fails if the object is not alive */

void ax_object_share(ax_object *object);
bool ax_object_try_acquire(ax_object *object);
void ax_object_release(ax_object *object);

#endif
