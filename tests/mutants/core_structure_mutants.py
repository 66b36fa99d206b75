"""Bugs of the core's histograms, tables and segments, and of the memory order of its words.

The explorer claims them, a test of the core or, if only weak memory shows them, ThreadSanitizer.
"""

from mutants.mutant import Mutant, explored

BUCKETS = "csrc/core/ax_buckets.h"
HISTOGRAM = "csrc/core/ax_buckets.c"
EXPONENTIAL = "csrc/core/ax_exponential.h"
BOUNDS = "csrc/core/ax_exponential.c"
SECTION = "csrc/core/ax_section.h"
SECTIONS = "csrc/core/ax_section.c"
TABLE = "csrc/core/ax_table.c"
TREE = "csrc/core/ax_tree.c"
ENTRIES_OF_SEGMENTS = "csrc/core/ax_segment_entry.c"
STRIPES_OF_SEGMENTS = "csrc/core/ax_segment_stripe.c"
GNU = "csrc/core/ax_atomic_gnu.h"

LIST_TEST = "tests/test_core.py::test_the_table_against_a_list"
BOUNDS_TEST = "tests/test_core.py::test_the_bounds_of_exponential_buckets_are_exact"
SECTIONS_TEST = "tests/test_core.py::test_the_table_in_churn_and_in_forks"


def listed(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", [LIST_TEST])


def churned(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", [SECTIONS_TEST])


def bounded(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", [BOUNDS_TEST])


def threaded(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, file, old, new, "threads")


BUCKETED = [
    explored(
        "buckets: a split count",
        BUCKETS,
        "    uint64_t found = ax_word_load(count);\n"
        "    return ax_word_compare_exchange(count, &found, found + 1);",
        "    uint64_t found = ax_word_load(count);\n    ax_word_store(count, found + 1);\n    return true;",
    ),
    explored(
        "buckets: a split sum",
        BUCKETS,
        "    return ax_word_compare_exchange(sum, &found, ax_float_bits(ax_float_from_bits(found) + value));",
        "    ax_word_store(sum, ax_float_bits(ax_float_from_bits(found) + value));\n    return true;",
    ),
    explored(
        "buckets: an observation that met another is counted again",
        HISTOGRAM,
        "    if (left == AX_UNCOUNTED) {",
        "    if (left != AX_OBSERVED) {",
    ),
    explored(
        "buckets: an observation that met another loses its value",
        BUCKETS,
        "ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_UNSUMMED;",
        "ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_OBSERVED;",
    ),
    explored(
        "buckets: an observation without memory for stripes goes nowhere",
        HISTOGRAM,
        "    ax_word *cells = stripes == NULL",
        "    if (stripes == NULL) {\n        return;\n    }\n    ax_word *cells = stripes == NULL",
    ),
    explored(
        "buckets: a stripe is lost from the counts",
        HISTOGRAM,
        "    uint64_t sum = 0;\n    for (size_t i = 0; i < blocks_count(stripes); i++) {",
        "    uint64_t sum = 0;\n    for (size_t i = 0; i + 1 < blocks_count(stripes) || i == 0; i++) {",
    ),
    explored(
        "buckets: a snapshot reads what was drained once",
        HISTOGRAM,
        "        if (drained_after == drained) {",
        "        if (drained_after >= drained) {",
    ),
    explored(
        "buckets: a drain that is not a swap",
        HISTOGRAM,
        "    while (!ax_word_compare_exchange(&buckets->drained[bucket], &reading.drained, reading.counted))",
        "    ax_word_store(&buckets->drained[bucket], reading.counted);\n    while (false)",
    ),
    explored(
        "buckets: a drain that was overtaken keeps its stale answer",
        HISTOGRAM,
        "        reading.counted = counted(buckets, bucket);\n        if (!prepare(",
        "        reading.counted = counted(buckets, bucket);\n        if (false && !prepare(",
    ),
    explored(
        "buckets: a drain that was overtaken, and has no memory, keeps its stale answer",
        HISTOGRAM,
        "            (void)prepare(answer, bucket, 0);\n",
        "",
    ),
    explored(
        "buckets: a drain without memory keeps the sum",
        HISTOGRAM,
        "            sum_give_back(buckets, *sum);\n",
        "",
    ),
    explored(
        "buckets: a sum is read, and then cleared",
        HISTOGRAM,
        "        sum += ax_float_exchange(&blocks_at(buckets, stripes, i)[0], 0.0);",
        "        sum += ax_float_load(&blocks_at(buckets, stripes, i)[0]);\n"
        "        ax_float_store(&blocks_at(buckets, stripes, i)[0], 0.0);",
    ),
    explored(
        "buckets: the value comes before the count",
        BUCKETS,
        "    return ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_UNSUMMED;\n}",
        "    return ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_UNSUMMED;\n}\n"
        "#define ax_buckets_try_observe(buckets, bucket, value)                                    \\\n"
        "    (ax_buckets_try_sum(&(buckets)->first[0], value) &&                                    \\\n"
        "             ax_buckets_try_count(&(buckets)->first[1 + (bucket)])                          \\\n"
        "         ? AX_OBSERVED                                                                     \\\n"
        "         : AX_UNCOUNTED)",
    ),
    explored(
        "buckets: a drain that is undone gives counts back with a store",
        HISTOGRAM,
        "            while (!ax_word_compare_exchange(&buckets->first[1 + i], &found, found + counts[i])) {\n"
        "            }\n",
        "            ax_word_store(&buckets->first[1 + i], found + counts[i]);\n",
    ),
    explored(
        "buckets: a drain that is undone keeps the sum",
        HISTOGRAM,
        "    }\n    sum_give_back(buckets, sum);\n",
        "    }\n    (void)sum;\n",
    ),
    explored(
        "buckets: a mark is set by a store",
        BUCKETS,
        "        (void)ax_word_fetch_or(&buckets->marks, mark);",
        "        ax_word_store(&buckets->marks, ax_word_load(&buckets->marks) | mark);",
    ),
    explored(
        "buckets: the stripes are leaked",
        HISTOGRAM,
        "    ax_stripes_free(&buckets->stripes, system);\n",
        "",
    ),
]


EXPONENTIALS = [
    bounded(
        "exponential: the bound of a bucket is not in it",
        EXPONENTIAL,
        "exponential->bounds[rank] < within",
        "exponential->bounds[rank] <= within",
    ),
    bounded(
        "exponential: the bounds of an octave do not repeat",
        EXPONENTIAL,
        "return rank + ((size_t)(distance >> exponential->period_bits) << exponential->rank_bits);",
        "return rank;",
    ),
    bounded(
        "exponential: subnormal numbers are taken for normal ones",
        EXPONENTIAL,
        "if (magnitude >= AX_OCTAVE) {",
        "if (true) {",
    ),
    bounded(
        "exponential: a bound is computed with 64 bits",
        BOUNDS,
        "            carry += (uint64_t)one.limbs[i] * other[j] + product[i + j];",
        "            carry += i + j <= LIMBS ? 0 : (uint64_t)one.limbs[i] * other[j] + product[i + j];",
    ),
    bounded(
        "exponential: a root is wrong",
        BOUNDS,
        "0x306FE0A3}",
        "0x306FE0A2}",
    ),
    bounded(
        "exponential: a power of two begins a bucket",
        BOUNDS,
        "(int64_t)((key - 1) / AX_OCTAVE)",
        "(int64_t)(key / AX_OCTAVE)",
    ),
    bounded(
        "exponential: the ranks begin one cell late",
        BOUNDS,
        "exponential->bounds[rank] < (uint64_t)cell << exponential->cell_bits",
        "exponential->bounds[rank] < (uint64_t)(cell + 1) << exponential->cell_bits",
    ),
]


TABLES = [
    explored(
        "table: a section does not check the era again",
        SECTION,
        "        if (era == section->era) {",
        "        if (true) {",
    ),
    explored(
        "table: a section that finds a new era does not publish it",
        SECTION,
        "            ax_word_store(section->slot, era);\n",
        "",
    ),
    explored(
        "table: a section takes the new era, and not the root again",
        SECTION,
        """            ax_word_store(section->slot, era);
        }
""",
        """            ax_word_store(section->slot, era);
        }
        return found;
""",
    ),
    churned(
        "table: what is retired does not end the era",
        SECTION,
        "    return ax_word_fetch_add(&ax_process_sections.era, 1) + 1;",
        "    return ax_era_now();",
    ),
    explored(
        "table: a block is retired one era too early",
        TABLE,
        "    life_of(item)->retired = era;",
        "    life_of(item)->retired = era - 1;",
    ),
    explored(
        "table: a block counts as made one era too late",
        TABLE,
        "    change->era = ax_era_now();",
        "    change->era = ax_era_now() + 1;",
    ),
    explored(
        "table: a new node is as old as nothing is",
        TREE,
        "    node->life.made = change->era;\n",
        "    node->life.made = UINT64_MAX;\n",
    ),
    explored(
        "table: the last slot of a stripe is not checked",
        SECTIONS,
        "        for (int j = 0; j < AX_SECTION_SLOTS; j++) {\n            ax_word *slot",
        "        for (int j = 0; j < AX_SECTION_SLOTS - 1; j++) {\n            ax_word *slot",
    ),
    explored(
        "table: the last stripe is not checked",
        SECTIONS,
        """    for (uint64_t i = 0; i <= mask; i++) {
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            ax_word""",
        """    for (uint64_t i = 0; i < mask; i++) {
        for (int j = 0; j < AX_SECTION_SLOTS; j++) {
            ax_word""",
    ),
    explored(
        "table: sections without a slot do not hold anything up",
        SECTIONS,
        "    view->crowd = ax_word_load(&ax_process_sections.crowd) != 0;",
        "    view->crowd = false;",
    ),
    explored(
        "table: the slots are checked before the lists are taken",
        TABLE,
        """        ax_table_slot fresh = (ax_table_slot)ax_pointer_exchange(&table->retired, NULL);
        ax_table_slot old = all ? (ax_table_slot)ax_pointer_exchange(&table->held, NULL) : 0;
        ax_sections_look(&view);
""",
        """        ax_sections_look(&view);
        ax_table_slot fresh = (ax_table_slot)ax_pointer_exchange(&table->retired, NULL);
        ax_table_slot old = all ? (ax_table_slot)ax_pointer_exchange(&table->held, NULL) : 0;
""",
    ),
    explored(
        "table: what is held is not checked again when its section is gone",
        TABLE,
        "           (!guard_lasts(table) || (int64_t)ax_word_load(&table->patience) <= 0);",
        "           (int64_t)ax_word_load(&table->patience) <= 0;",
    ),
    explored(
        "table: the guard is another section's era",
        TABLE,
        "    ax_word_store(&table->guard_era, guard->era);",
        "    ax_word_store(&table->guard_era, guard->era + 1);",
    ),
    explored(
        "table: what others retired is lost when more is retired",
        TABLE,
        "        life_of(list->last)->next = (ax_table_slot)found;",
        "        life_of(list->last)->next = 0;",
    ),
    explored(
        "table: a removed entry is never released",
        TABLE,
        "        discard(&list, (ax_table_slot)change->removed, era);",
        "        (void)list;",
    ),
    explored(
        "table: a removed entry is freed at once",
        TABLE,
        "        discard(&list, (ax_table_slot)change->removed, era);",
        "        ax_tree_entry_free(change->model, (ax_table_entry *)(uintptr_t)change->removed);",
    ),
    explored(
        "table: a cleared tree is as young as its root",
        TABLE,
        "ax_tree_root_of(item)->since : life->made",
        "life->made : life->made",
    ),
    explored(
        "table: clear is a load and a store",
        TABLE,
        """    ax_table_slot root = (ax_table_slot)ax_pointer_exchange(&table->root, (void *)ax_tree_empty());
    if (root != ax_tree_empty()) {
        tree_retire""",
        """    ax_table_slot root = (ax_table_slot)ax_pointer_load(&table->root);
    (void)ax_pointer_exchange(&table->root, (void *)ax_tree_empty());
    if (root != ax_tree_empty()) {
        tree_retire""",
    ),
    explored(
        "table: a new root is stored, whatever is there",
        TABLE,
        "    if (!ax_pointer_compare_exchange(&table->root, &expected, (void *)made)) {",
        "    (void)ax_pointer_exchange(&table->root, (void *)made);\n    if (expected == NULL) {",
    ),
    explored(
        "table: an insertion's section ends before the swap",
        TABLE,
        "    return change_try(table, change, root);\n}",
        """    ax_section_leave(*section);
    ax_table_change done = change_try(table, change, root);
    *section = ax_section_enter(0);
    return done;
}""",
    ),
    explored(
        "table: a value that was there is kept after the section",
        TABLE,
        """        model->keep(present->value);
        *found = present->value;
""",
        """        *found = present->value;
        ax_section_leave(*section);
        *section = ax_section_enter(0);
        model->keep(*found);
""",
    ),
    explored(
        "table: the limit is off by one",
        TABLE,
        "(ax_tree_root_of(root)->exempt != NULL) >= limit;",
        "(ax_tree_root_of(root)->exempt != NULL) > limit;",
    ),
    explored(
        "table: the exempt entry takes a place",
        TABLE,
        " - (ax_tree_root_of(root)->exempt != NULL) >= limit;",
        " >= limit;",
    ),
    explored(
        "table: a removal that loses against another change gives up",
        TABLE,
        "        if (done != AX_TABLE_ABSENT || !there) {",
        "        if (true) {",
    ),
    explored(
        "table: a change that is tried again leaks what it made",
        TABLE,
        "        ax_tree_undo(change);\n        return AX_TABLE_ABSENT;",
        "        return AX_TABLE_ABSENT;",
    ),
    explored(
        "table: a snapshot keeps its objects after the section",
        TABLE,
        """        (void)snapshot_take(model, root, items);
    }
    ax_section_leave(section);
""",
        """        ax_section_leave(section);
        (void)snapshot_take(model, root, items);
        section = ax_section_enter(thread);
    }
    ax_section_leave(section);
""",
    ),
    churned(
        "table: sections of threads that do not exist are remembered",
        SECTIONS,
        "            ax_word_store(&ax_process_sections.stripes[i].slots[j], 0);\n",
        "",
    ),
    churned(
        "table: a section holds up all that is retired while it lasts",
        SECTIONS,
        "        if (made <= view->seen[i].era && view->seen[i].era <= retired) {",
        "        if (made <= retired && view->seen[i].era <= retired) {",
    ),
    listed(
        "table: a search stops at the first node of a chain",
        TREE,
        """        if (entry->hash == hash && matches(query, entry->key)) {
            return entry;
        }
""",
        "        return entry->hash == hash && matches(query, entry->key) ? entry : NULL;\n",
    ),
    listed(
        "table: an entry is dropped where a node grows",
        TREE,
        "    for (size_t i = 0; i < ax_tree_slots(old); i++) {\n        if (!place_all",
        "    for (size_t i = 1; i < ax_tree_slots(old); i++) {\n        if (!place_all",
    ),
    listed(
        "table: the exempt entry stays exempt when it is removed",
        TREE,
        "old->exempt == change->removed ? NULL : old->exempt;",
        "old->exempt;",
    ),
    listed(
        "table: the nodes of a change without memory leak",
        TREE,
        """    if (!rebuild(change, slot, bits, change->depth == 0)) {
        ax_tree_undo(change);""",
        """    if (!rebuild(change, slot, bits, change->depth == 0)) {""",
    ),
    listed(
        "table: a removal leaves empty nodes",
        TREE,
        " && (count > 1 || top) &&",
        " &&",
    ),
    listed(
        "table: nodes never get smaller",
        TREE,
        " && !is_sparse(width, count);",
        ";",
    ),
    listed(
        "table: insertions have no order",
        TREE,
        "    new->inserted = old->inserted + (change->added != NULL);",
        "    new->inserted = old->inserted;",
    ),
    listed(
        "table: the bytes of what was replaced are still counted",
        TREE,
        "    new->bytes = old->bytes + change->bytes - change->bytes_gone;",
        "    new->bytes = old->bytes + change->bytes;",
    ),
]


SEGMENTS = [
    explored(
        "segment: a maker does not look its key up again",
        ENTRIES_OF_SEGMENTS,
        """        status = index_find(segment, wanted, mine.hash, entry);
        if (status != AX_SEGMENT_MISSING) {
            break;
        }
        status = AX_SEGMENT_FULL;
""",
        """        status = AX_SEGMENT_FULL;
""",
    ),
    explored(
        "segment: an entry is published by a store",
        ENTRIES_OF_SEGMENTS,
        "ax_word_compare_exchange(next, &none, mine.offset)) {\n",
        "ax_word_load(next) == none) {\n            ax_word_store(next, mine.offset);\n",
    ),
    explored(
        "segment: a stripe is taken by a store",
        STRIPES_OF_SEGMENTS,
        "    if (!ax_word_compare_exchange(record(segment, stripe, AT_OWNER), &found, odd)) {\n"
        "        return false;\n"
        "    }\n",
        "    ax_word_store(record(segment, stripe, AT_OWNER), odd);\n",
    ),
    explored(
        "segment: the gauges of a stripe are zeroed after it is settled",
        STRIPES_OF_SEGMENTS,
        """    gauges_clear(segment, stripe);
    /* This""",
        """    (void)ax_word_compare_exchange(record(segment, stripe, AT_OWNER), &odd,
                                   owner_word(ax_owner_generation(odd) + 1, me));
    gauges_clear(segment, stripe);
    return true;
    /* This""",
    ),
]


def without_order(operation: str) -> str:
    return operation.replace("SEQ_CST", "RELAXED")


POINTER_SWAP = """&pointer->address, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST"""
WORD_SWAP = """&word->bits, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST"""
WEAK_MEMORY = [
    threaded(f"weak memory: {what} without an order", GNU, operation, without_order(operation))
    for what, operation in {
        "a word is loaded": "__atomic_load_n(&word->bits, __ATOMIC_SEQ_CST)",
        "a word is stored": "__atomic_store_n(&word->bits, desired, __ATOMIC_SEQ_CST)",
        "a word is exchanged": "__atomic_exchange_n(&word->bits, desired, __ATOMIC_SEQ_CST)",
        "a word is swapped": WORD_SWAP,
        "bits are set": "__atomic_fetch_or(&word->bits, mask, __ATOMIC_SEQ_CST)",
        "a word is added to": "__atomic_fetch_add(&word->bits, delta, __ATOMIC_SEQ_CST)",
        "a pointer is loaded": "__atomic_load_n(&pointer->address, __ATOMIC_SEQ_CST)",
        "a pointer is exchanged": "__atomic_exchange_n(&pointer->address, desired, __ATOMIC_SEQ_CST)",
        "a pointer is swapped": POINTER_SWAP,
    }.items()
]

MUTANTS = BUCKETED + EXPONENTIALS + TABLES + SEGMENTS + WEAK_MEMORY
