/* ax_epoch.c: see ax_epoch.h. */
#include "ax_epoch.h"

#if AX_EPOCH_IS_NEEDED

ax_epochs ax_process_epochs;

/* Linearization point: the compare-and-swap of the epoch, its own or the one that it met. Wait-free. */
bool ax_epoch_advance(void)
{
    uint64_t epoch = ax_word_load(&ax_process_epochs.epoch);
    uint64_t mask = ax_word_load(&ax_process_epochs.mask);
    for (uint64_t i = 0; i <= mask; i++) {
        if (ax_word_load(&ax_process_epochs.stripes[i].inside[(epoch + 1) & 1]) != 0) {
            return false;
        }
    }
    (void)ax_word_compare_exchange(&ax_process_epochs.epoch, &epoch, epoch + 1);
    return true;
}

void ax_epoch_start(size_t processors)
{
    uint64_t count = 2, unset = 0; /* two at least, so that the mask is zero before */
    while (count < AX_MAX_STRIPES && count < processors) {
        count *= 2;
    }
    (void)ax_word_compare_exchange(&ax_process_epochs.mask, &unset, count - 1);
}

void ax_epoch_forget(void)
{
    for (size_t i = 0; i < AX_MAX_STRIPES; i++) {
        ax_word_store(&ax_process_epochs.stripes[i].inside[0], 0);
        ax_word_store(&ax_process_epochs.stripes[i].inside[1], 0);
    }
}

#endif
