/* ax_section.c: see ax_section.h. */
#include "ax_section.h"

#if AX_SECTIONS_OVERLAP

enum { LEAST_STRIPES = 4 };

ax_sections ax_process_sections;

ax_section ax_section_enter_elsewhere(uint64_t thread, uint64_t era)
{
    uint64_t mask = ax_word_load(&ax_process_sections.mask);
    for (uint64_t i = 0; i <= mask; i++) {
        ax_section_stripe *stripe = &ax_process_sections.stripes[(size_t)((thread + i) & mask)];
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            uint64_t free = 0;
            if (ax_word_compare_exchange(&stripe->slots[j], &free, era)) {
                return (ax_section){&stripe->slots[j], era};
            }
        }
    }
    (void)ax_word_fetch_add(&ax_process_sections.crowd, 1);
    return (ax_section){NULL, era};
}

/* Does not go below zero: in a forked child the crowd may have been forgotten. */
void ax_section_leave_crowd(void)
{
    uint64_t crowd = ax_word_load(&ax_process_sections.crowd);
    while (crowd != 0 && !ax_word_compare_exchange(&ax_process_sections.crowd, &crowd, crowd - 1)) {
    }
}

void ax_sections_look(ax_sections_view *view)
{
    uint64_t mask = ax_word_load(&ax_process_sections.mask);
    view->count = 0;
    view->crowd = ax_word_load(&ax_process_sections.crowd) != 0;
    for (uint64_t i = 0; i <= mask; i++) {
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            ax_word *slot = &ax_process_sections.stripes[(size_t)i].slots[j];
            uint64_t era = ax_word_load(slot);
            if (era != 0 && view->count == AX_SECTIONS_SEEN) {
                view->crowd = true;
            } else if (era != 0) {
                view->seen[view->count++] = (ax_section){slot, era};
            }
        }
    }
}

const ax_section *ax_sections_protect(const ax_sections_view *view, uint64_t made, uint64_t retired)
{
    static const ax_section unknown = {NULL, 0};
    for (size_t i = 0; i < view->count; i++) {
        if (made <= view->seen[i].era && view->seen[i].era <= retired) {
            return &view->seen[i];
        }
    }
    return !view->crowd ? NULL : view->count == AX_SECTIONS_SEEN ? &view->seen[0] : &unknown;
}

bool ax_section_lasts(const ax_section *seen)
{
    return seen->slot == NULL ? ax_word_load(&ax_process_sections.crowd) != 0
                              : ax_word_load(seen->slot) == seen->era;
}

void ax_sections_start(size_t processors)
{
    uint64_t count = LEAST_STRIPES, unset = 0;
    while (count < AX_MAX_STRIPES && count < processors) {
        count *= 2;
    }
    (void)ax_word_compare_exchange(&ax_process_sections.mask, &unset, count - 1);
}

void ax_sections_forget(void)
{
    ax_word_store(&ax_process_sections.crowd, 0);
    for (size_t i = 0; i < AX_MAX_STRIPES; i++) {
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            ax_word_store(&ax_process_sections.stripes[i].slots[j], 0);
        }
    }
}

#endif
