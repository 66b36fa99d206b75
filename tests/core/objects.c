/* objects.c: see objects.h. */
#include "objects.h"

#include <inttypes.h>

ax_object objects[OBJECTS];

static const char *const names[OBJECTS] = {"block 0", "block 1", "block 2", "block 3",
                                           "block 4", "block 5", "block 6", "block 7"};

static void put(ax_word *word, uint64_t value)
{
    uint64_t before = word->bits;
    word->bits = value;
    explorer_wrote(word, before, value);
}

void objects_reset(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = (ax_object){.count = {0}};
        explorer_name(&objects[i].count, names[i]);
    }
}

ax_object *object_make(int64_t identity)
{
    explorer_point("make an object", NULL);
    for (int i = 0; i < OBJECTS; i++) {
        if (objects[i].identity.bits == 0) {
            (void)explorer_observe((uint64_t)i);
            put(&objects[i].count, 1);
            put(&objects[i].identity, (uint64_t)identity);
            return &objects[i];
        }
    }
    explorer_fail("no free block: the script is too large, or an object leaks");
}

void object_keep(ax_object *object)
{
    explorer_point("keep", &object->count);
    if (explorer_observe(object->count.bits) == 0) {
        explorer_fail("kept an object that was freed");
    }
    put(&object->count, object->count.bits + 1);
}

int64_t object_identity(ax_object *object)
{
    if (object->count.bits == 0) {
        explorer_fail("an object was returned that is free");
    }
    return (int64_t)explorer_observe(object->identity.bits);
}

void ax_object_share(ax_object *object)
{
    explorer_point("share", &object->count);
    if (object->count.bits == 0) {
        explorer_fail("shared an object that was freed");
    }
    put(&object->shared, 1);
}

/* Like PyUnstable_TryIncRef: fails on an object with count zero, and on one that was never marked. */
bool ax_object_try_acquire(ax_object *object)
{
    explorer_point("read the count of", &object->count);
    uint64_t count = explorer_observe(object->count.bits);
    while (count != 0 && explorer_observe(object->shared.bits) != 0) {
        if (ax_word_compare_exchange(&object->count, &count, count + 1)) {
            return true;
        }
    }
    return false;
}

void ax_object_release(ax_object *object)
{
    explorer_point("release", &object->count);
    uint64_t count = explorer_observe(object->count.bits);
    if (count == 0) {
        explorer_fail("an object was released twice");
    }
    put(&object->count, count - 1);
    if (count == 1) {
        put(&object->identity, 0);
        put(&object->shared, 0);
    }
}
