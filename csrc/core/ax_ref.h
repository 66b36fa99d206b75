/* ax_ref.h: a slot that owns one reference to a counted object, and hands out more.
 *
 * Purpose. Many threads load, swap and drop objects through one slot, without a lock.
 *
 * The difficulty. A load reads the slot and then counts a reference. Between the two, another thread may have
 * swapped the object out and released it. Then the object is freed, and its memory may already hold another
 * one. So a load
 *
 *   1. reads the slot,
 *   2. tries to take a reference, which fails on an object whose count has reached zero,
 *   3. reads the slot again, and starts over if it changed.
 *
 * Why it is right. The slot owns a reference to what it holds. If step 3 finds the same address, the object
 * to which step 2 took a reference is in the slot now: the reference keeps its memory from being reused, so
 * the same address is the same object. That second read is the linearization point. If step 2 took a
 * reference to some other object that moved into the memory, step 3 finds another address (an object in the
 * slot has not lost its memory), and the load gives the reference back. Without step 3 a load could return an
 * object that was never in this slot.
 *
 * What it rests on. Step 2 reads and may change a count in memory that was freed. That is sound only if freed
 * object memory stays mapped, holds only objects when it is used again, and reads as "count zero" in between.
 * CPython's free-threaded builds guarantee exactly this for their own lock-free list and dict reads: a page
 * of the object allocator is not used for anything else until every thread has passed a point where it holds
 * no such pointer (Python/pystate.c and Objects/obmalloc.c, page_use_qsbr; InternalDocs/qsbr.md). It is an
 * axiom here. An object whose type frees its memory in some other way breaks it, for CPython's own containers
 * as well as for this slot.
 *
 * With AX_SERIALIZED taking a reference always succeeds and the slot never changes under a load.
 *
 * The includer defines the object model before it includes this header: a type ax_object, and
 *
 *   void ax_object_share(ax_object *)         prepares an object for step 2, before it enters a slot
 *   bool ax_object_try_acquire(ax_object *)   step 2; a full barrier where it changes a shared count
 *   void ax_object_release(ax_object *)       gives a reference back; may run any code, so it is called
 *                                             only when the slot is consistent and no step is half done
 *
 * Ownership: arguments called "stolen" bring a reference along; the others are borrowed from a caller that
 * keeps them alive during the call. Every object returned carries a reference. Since the caller keeps an
 * expected object alive, its address identifies that very object: there is no ABA problem.
 *
 * Progress: exchange is one swap after ax_object_share; the others are lock-free: a retry means that another
 * thread changed the slot.
 */
#ifndef AX_REF_H
#define AX_REF_H

#include "ax_atomic.h"

/* Only for a slot that no other thread can see yet. Steals value. */
AX_INLINE void ax_ref_init(ax_pointer *slot, ax_object *value)
{
    ax_object_share(value);
    slot->address = value;
}

/* Linearization point: the second read of the slot. */
AX_INLINE ax_object *ax_ref_load(ax_pointer *slot)
{
    for (;;) {
        ax_object *found = ax_pointer_load(slot);
        if (!ax_object_try_acquire(found)) {
            continue; /* it was released, so the slot has changed */
        }
        if (ax_pointer_load(slot) == found) {
            return found;
        }
        ax_object_release(found);
    }
}

/* Steals desired. The reference that the slot owned becomes the caller's, which releases it when the
 * operation is complete. Linearization point: the swap. */
AX_INLINE ax_object *ax_ref_exchange(ax_pointer *slot, ax_object *desired)
{
    ax_object_share(desired);
    return ax_pointer_exchange(slot, desired);
}

/* Swaps if the slot holds expected. True: desired is stolen, and the caller must release the reference that
 * the slot owned (to expected). False: desired still belongs to the caller. Linearization point: the
 * compare-and-swap, either way. */
AX_INLINE bool ax_ref_compare_and_set(ax_pointer *slot, ax_object *expected, ax_object *desired)
{
    void *found = expected;
    ax_object_share(desired);
    return ax_pointer_compare_exchange(slot, &found, desired);
}

/* Like ax_ref_compare_and_set, but returns the object found, with a reference for the caller: expected if it
 * swapped (desired is stolen), another object if not. Linearization point: the compare-and-swap that
 * succeeds, or the second read of the load that found an object other than expected. */
AX_INLINE ax_object *ax_ref_compare_exchange(ax_pointer *slot, ax_object *expected, ax_object *desired)
{
    for (;;) {
        if (ax_ref_compare_and_set(slot, expected, desired)) {
            return expected;
        }
        ax_object *found = ax_ref_load(slot);
        if (found != expected) {
            return found;
        }
        ax_object_release(found); /* expected came back in between: try again */
    }
}

#endif
