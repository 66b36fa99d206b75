"""Bugs of the cells in shared memory and of their file, claimed by the tests of tests/shared."""

from mutants.mutant import Mutant

ATOMIC = "csrc/core/ax_atomic.h"
GATE = "csrc/core/ax_gate.h"
CELL_H = "csrc/binding/shared_cell.h"
CELL_C = "csrc/binding/shared_cell.c"
HEADER = "csrc/core/ax_segment.c"
ENTRY = "csrc/core/ax_segment_entry.c"
STRIPE = "csrc/core/ax_segment_stripe.c"
PROCESS = "csrc/binding/segment_process.c"
SEGMENT = "csrc/binding/segment.c"
SEGMENT_TYPE = "csrc/binding/type_segment.c"
FILE = "csrc/binding/segment_file.c"
FAMILY = "csrc/binding/shared_family.c"
LABELS = "csrc/binding/label_cache.c"
PART = "csrc/binding/type_shared_part.c"

CELLS = "tests/shared/test_cells.py"
SEGMENTS = "tests/shared/test_segment.py"
LIVES = "tests/shared/test_segment_life.py"
FILES = "tests/shared/test_segment_file.py"
STRIPES = "tests/shared/test_segment_stripes.py"
HOSTILE = "tests/shared/test_segment_hostile.py"
PARTS = "tests/shared/test_segment_parts.py"

# Two steps of table_free.
FREES_THE_OLDEST = "    if (table->smaller != NULL) {\n        table_free(table->smaller, table);\n    }\n"
FREES_ITSELF = (
    "    for (uint64_t i = 0; i <= table->mask; i++) {\n"
    "        label_record *record = ax_pointer_load(&table->records[i]);\n"
    "        if (record != NULL && (larger == NULL || !table_has(larger, record))) {\n"
    "            record_free(record);\n        }\n    }\n"
)


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"shared: {name}", file, old, new, "pytest", tests)


def explored(name: str, old: str, new: str) -> Mutant:
    return Mutant(f"gate: {name}", GATE, old, new, "explorer", ["gate"])


def runs(program: str) -> str:
    return f"tests/shared/test_programs.py::test_program[{program}]"


GATES = [
    explored(
        "closes while an operation is inside, and gives the buffer back",
        "    return (ax_word_fetch_or(gate, AX_GATE_SETTLED) & ~AX_GATE_FLAGS) == 0;",
        "    (void)ax_word_fetch_or(gate, AX_GATE_SETTLED);\n    return true;",
    ),
    explored(
        "lets in an operation that found it open a moment ago",
        "    } while (!ax_word_compare_exchange(gate, &found, found + 1));\n    return true;",
        "    } while (false);\n    ax_word_store(gate, found + 1);\n    return true;",
    ),
    explored(
        "the last operation out does not check whether it is closed",
        "    return found - 1 == (AX_GATE_CLAIMED | AX_GATE_SETTLED);",
        "    return false;",
    ),
    explored(
        "two callers close it",
        "        if ((found & AX_GATE_OPEN) == 0) {\n            return false;\n        }\n"
        "    } while (!ax_word_compare_exchange(gate, &found, found & ~AX_GATE_OPEN));\n",
        "    } while (!ax_word_compare_exchange(gate, &found, found & ~AX_GATE_OPEN));\n",
    ),
    explored(
        "the buffer is given back a second time at the end",
        "    return found != 0 && found != settled;",
        "    return found != 0;",
    ),
]

CELLS_OF_THE_BINDING = [
    tested(
        "plain accesses, as for cells of one process",
        ATOMIC,
        "#define AX_PLAIN_ACCESSES (!AX_WORD_IS_LOCK_FREE)",
        "#define AX_PLAIN_ACCESSES 1",
        runs("processes.forked_processes_count"),
    ),
    tested(
        "operations are not counted while they use the buffer",
        CELL_H,
        "ax_gate_is_open(&cell->gate) : ax_gate_enter(&cell->gate)",
        "ax_gate_is_open(&cell->gate) : (ax_gate_is_open(&cell->gate) && ax_gate_enter(&cell->gate) &&"
        " !ax_gate_leave(&cell->gate))",
        runs("releases.a_map_is_closed_under_counting_threads"),
    ),
    tested(
        "an operation after release is let in",
        CELL_H,
        "        shared_no_buffer();\n        return false;\n",
        "",
        f"{CELLS}::test_every_operation_after_release_is_a_value_error",
    ),
    tested(
        "release does not wait for operations in flight",
        CELL_C,
        "naps < MOST_NAPS; naps++",
        "naps < 0; naps++",
        runs("releases.a_map_is_closed_under_counting_threads"),
    ),
    tested(
        "a read-only buffer is taken",
        CELL_C,
        "    if (buffer->readonly && !may_be_readonly) {",
        "    if (false) {",
        f"{CELLS}::test_buffers_that_have_no_room_for_a_cell",
    ),
    tested(
        "a misaligned address is taken",
        CELL_C,
        "    if ((uintptr_t)address % sizeof(ax_word) != 0) {",
        "    if (false) {",
        f"{CELLS}::test_buffers_that_have_no_room_for_a_cell",
    ),
    tested(
        "an offset may be one too large",
        CELL_C,
        "        offset > buffer->len - (Py_ssize_t)sizeof(ax_word)) {",
        "        offset > buffer->len) {",
        f"{CELLS}::test_buffers_that_have_no_room_for_a_cell",
    ),
    tested(
        "a buffer that was refused is kept",
        CELL_C,
        "        PyBuffer_Release(&cell->buffer);\n        return false;",
        "        return false;",
        f"{CELLS}::test_buffers_that_have_no_room_for_a_cell",
    ),
    tested(
        "a second buffer is taken",
        CELL_C,
        "    if (!ax_gate_claim(&cell->gate)) {",
        "    if (!ax_gate_claim(&cell->gate) && false) {",
        f"{CELLS}::test_a_cell_is_given_its_buffer_once",
    ),
    tested(
        "a dying cell leaks its buffer",
        CELL_C,
        "    if (ax_gate_abandon(&((SharedCell *)self)->gate)) {",
        "    if (false) {",
        f"{CELLS}::test_release_lets_the_buffer_go",
    ),
    tested(
        "the collector is not told what a cell holds",
        CELL_C,
        "    Py_VISIT(((SharedCell *)self)->buffer.obj);\n",
        "",
        f"{CELLS}::test_a_cycle_through_the_buffer_is_collected",
    ),
    tested(
        "without the GIL there is a module where atomics take a lock",
        "csrc/core/ax_atomic_gnu.h",
        " && AX_WORD_IS_LOCK_FREE,",
        ",",
        f"{CELLS}::test_where_atomics_take_a_lock",
    ),
]

SEGMENT_FILES = [
    tested(
        "an entry is appended with a plain store",
        ENTRY,
        " && ax_word_compare_exchange(next, &none, mine.offset)) {",
        " && (ax_word_store(next, mine.offset), none == 0)) {",
        runs("processes.children_of_threads_count_and_make_cells"),
        runs("processes.processes_killed_while_they_make_cells_leave_whole_names"),
        runs("processes.forked_processes_count"),
    ),
    tested(
        "the size of an entry is trusted",
        ENTRY,
        "           entry->size <= segment->stripes - offset && entry->number != 0;",
        "           entry->number != 0;",
        f"{HOSTILE}::test_entries_that_are_longer_than_the_file",
    ),
    tested(
        "the run of an entry is trusted",
        ENTRY,
        "    if (!run_is_sound(segment, entry)) {",
        "    if (false) {",
        f"{HOSTILE}::test_every_field_of_every_entry",
    ),
    Mutant(
        "shared: the chain may be a circle",
        ENTRY,
        "    return ax_entry_read(segment, offset, next) && next->number == number + 1 ? AX_SEGMENT_FOUND",
        "    return ax_entry_read(segment, offset, next) && number + 1 != 0 ? AX_SEGMENT_FOUND",
        "pytest",
        [f"{HOSTILE}::test_the_index_the_chain_and_the_owners"],
        hangs=True,  # each walk goes round until the number overflows
    ),
    tested(
        "a stripe that is taken over keeps its gauges",
        STRIPE,
        "    gauges_clear(segment, stripe);\n    /*",
        "    /*",
        f"{STRIPES}::test_stripes_are_used_again",
        f"{STRIPES}::test_a_pid_that_was_reused",
    ),
    tested(
        "a gauge counts dead processes",
        STRIPE,
        " || !is_alive(context, stripe, owner)) {",
        ") {",
        f"{STRIPES}::test_gauges_are_those_of_the_living",
    ),
    tested(
        "a reused pid is trusted",
        PROCESS,
        "    return !ended && !differ(started, process->started);",
        "    return !ended;",
        f"{STRIPES}::test_a_pid_that_was_reused",
    ),
    tested(
        "a zombie is alive",
        PROCESS,
        "    return !ended && !differ(started, process->started);",
        "    return (!ended || ended) && !differ(started, process->started);",
        f"{STRIPES}::test_a_zombie_is_dead",
    ),
    tested(
        "a process of another namespace is looked for in this one",
        PROCESS,
        "    if (process->namespace != self.namespace) {",
        "    if (false) {",
        f"{STRIPES}::test_another_pid_namespace_counts_as_alive",
    ),
    tested(
        "a system call that forks goes unnoticed",
        PROCESS,
        "    (void)madvise(page, bytes, MADV_WIPEONFORK);",
        "    (void)bytes;",
        f"{STRIPES}::test_a_fork_is_noticed_whoever_forks",
    ),
    tested(
        "each mapping of a process takes a stripe",
        SEGMENT_TYPE,
        "        segment->readonly = options.readonly;\n",
        "        segment->readonly = options.readonly;\n        segment->claim = &segment->own_claim;\n",
        f"{STRIPES}::test_one_stripe_for_all_mappings_of_a_process",
    ),
    tested(
        "a new segment replaces an old one",
        FILE,
        "    if (link(aside, target) == 0) {",
        "    if (rename(aside, target) == 0) {",
        f"{LIVES}::test_create_replaces_nothing",
    ),
    tested(
        "the file is made with holes",
        FILE,
        "    int error = reserve(file, plan->size);",
        "    int error = reserve(file, 0) | ftruncate(file, (off_t)plan->size);",
        f"{FILES}::test_a_full_and_a_read_only_disk",
        f"{FILES}::test_every_byte_has_its_place",
    ),
    tested(
        "the umask is applied",
        FILE,
        "    if (fchmod(file, mode) != 0) {",
        "    if (fchmod(file, mode & 0640) != 0) {",
        f"{FILES}::test_the_mode_is_what_was_asked_for",
    ),
    tested(
        "a file of another user is opened",
        FILE,
        "    if (status->st_uid != geteuid() && status->st_uid != 0 &&",
        "    if (false && status->st_uid != 0 &&",
        f"{FILES}::test_the_file_of_a_stranger",
    ),
    tested(
        "a link is followed",
        FILE,
        "    if (S_ISLNK(status->st_mode)) {",
        "    if (false) {",
        f"{FILES}::test_what_is_not_a_regular_file",
    ),
    tested(
        "the checksum is not checked",
        HEADER,
        "    if (size < AX_SEGMENT_HEADER_BYTES || get(header + AT_CHECKSUM, 4) != checksum) {",
        "    if (size < AX_SEGMENT_HEADER_BYTES || checksum == 1) {",
        f"{FILES}::test_every_flipped_bit_of_the_header",
    ),
    tested(
        "a truncated file is mapped",
        HEADER,
        "    return segment->size == size ? AX_HEADER_SOUND : AX_HEADER_SIZE;",
        "    return segment->size >= size ? AX_HEADER_SOUND : AX_HEADER_SIZE;",
        f"{FILES}::test_truncated_and_longer_files",
    ),
    tested(
        "a full segment fails a request",
        FAMILY,
        "    return status == AX_SEGMENT_FULL ? use_overflow(self, use, true, child) : status;",
        "    return status;",
        f"{SEGMENTS}::test_a_full_segment_never_fails_a_request",
    ),
    tested(
        "a removed child stays hidden when it is used again",
        FAMILY,
        "        shared_family_state_change(segment_of(self), child, 0, AX_STATE_HIDDEN);",
        "        shared_family_state_change(segment_of(self), child, 0, 0);",
        f"{SEGMENTS}::test_removed_children_go_on",
    ),
    tested(
        "a child that only making finds is not checked",
        FAMILY,
        "        return child_found(self, makes, child); /* making it",
        "        return status; /* making it",
        f"{HOSTILE}::test_a_child_that_only_making_finds",
    ),
    tested(
        "a family frees its newest table of labels first",
        LABELS,
        FREES_THE_OLDEST + FREES_ITSELF + "    PyMem_RawFree(table);\n",
        FREES_ITSELF + FREES_THE_OLDEST + "    PyMem_RawFree(table);\n",
        runs("releases.a_family_drops_its_labels_once"),
    ),
    tested(
        "close leaves its cells usable",
        SEGMENT_TYPE,
        "        ax_word_store(&segment_of(self)->own_epoch, SEGMENT_NOBODY);\n        segment_chunks_empty",
        "        segment_chunks_empty",
        f"{LIVES}::test_close_releases_every_cell",
    ),
    tested(
        "a child writes where its parent will write",
        SEGMENT,
        "        ax_word_store(&segment->spare, 0);\n",
        "",
        f"{LIVES}::test_a_child_leaves_alone_what_its_parent_took",
    ),
    tested(
        "a child does not begin the parts that it inherited",
        SEGMENT,
        "    segment_parts_begin(segment, own);\n",
        "",
        f"{PARTS}::test_children_begin_their_parts_when_they_count",
    ),
    tested(
        "the process that takes a stripe over goes on with its parts",
        "csrc/core/ax_segment.h",
        "    return kind == AX_KIND_GAUGE || kind == AX_KIND_PART;",
        "    return kind == AX_KIND_GAUGE;",
        f"{PARTS}::test_a_stripe_that_is_taken_over",
    ),
    tested(
        "processes without a stripe share a part",
        PART,
        "    if (stripe != ax_segment_stripe_word(&segment->view, 0, 0)) {\n        return true;",
        "    if (stripe != NULL) {\n        return true;",
        f"{PARTS}::test_without_a_stripe",
    ),
    tested(
        "each of two that store takes the whole total off",
        PART,
        "    } while (!ax_word_compare_exchange(common, &found, ax_float_bits(rest)));\n",
        "    } while (false);\n"
        "    double taken = rest - ax_float_from_bits(found), before, after;\n"
        "    ax_float_apply(common, ax_float_step_add, taken, &before, &after);\n",
        f"{PARTS}::test_two_that_store_at_once",
    ),
    tested(
        "a part of 0 is not a part",
        STRIPE,
        "    (void)ax_word_compare_exchange(run + 1, &none, ax_part_time_bits(0.0));",
        "    (void)ax_word_compare_exchange(run + 1, &none, ax_float_bits(0.0));",
        f"{PARTS}::test_children_begin_their_parts_when_they_count",
    ),
]

MUTANTS = GATES + CELLS_OF_THE_BINDING + SEGMENT_FILES
