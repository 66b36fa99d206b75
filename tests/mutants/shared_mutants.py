"""Bugs of the cells in shared memory and of the file under them, claimed by the tests of tests/shared."""

from mutants.mutant import Mutant

ATOMIC = "csrc/core/ax_atomic.h"
GATE = "csrc/core/ax_gate.h"
CELL_H = "csrc/binding/shared_cell.h"
CELL_C = "csrc/binding/shared_cell.c"
SEGMENT = "src/atomicx/shared.py"
FILE = "src/atomicx/_segment_file.py"

CELLS = "tests/shared/test_cells.py"
SEGMENTS = "tests/shared/test_segment.py"
FILES = "tests/shared/test_segment_file.py"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"shared: {name}", file, old, new, "pytest", tests)


def explored(name: str, old: str, new: str) -> Mutant:
    return Mutant(f"gate: {name}", GATE, old, new, "explorer", ["gate"])


def runs(program: str) -> str:
    return f"tests/shared/test_programs.py::test_program[{program}]"


GATES = [
    explored(
        "closes while somebody is inside, and gives back",
        "    return (ax_word_fetch_or(gate, AX_GATE_SETTLED) & ~AX_GATE_FLAGS) == 0;",
        "    (void)ax_word_fetch_or(gate, AX_GATE_SETTLED);\n    return true;",
    ),
    explored(
        "lets in who found it open a moment ago",
        "    } while (!ax_word_compare_exchange(gate, &found, found + 1));\n    return true;",
        "    } while (false);\n    ax_word_store(gate, found + 1);\n    return true;",
    ),
    explored(
        "the last one out does not look whether it is closed",
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
        "at the end it is given back again",
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
        "    if (buffer->readonly) {",
        "    if (false) {",
        f"{CELLS}::test_what_is_no_place_for_a_cell",
    ),
    tested(
        "a misaligned address is taken",
        CELL_C,
        "    if ((uintptr_t)address % sizeof(ax_word) != 0) {",
        "    if (false) {",
        f"{CELLS}::test_what_is_no_place_for_a_cell",
    ),
    tested(
        "an offset may be one too large",
        CELL_C,
        "        offset > buffer->len - (Py_ssize_t)sizeof(ax_word)) {",
        "        offset > buffer->len) {",
        f"{CELLS}::test_what_is_no_place_for_a_cell",
    ),
    tested(
        "a buffer that was refused is kept",
        CELL_C,
        "        PyBuffer_Release(&cell->buffer);\n        return false;",
        "        return false;",
        f"{CELLS}::test_what_is_no_place_for_a_cell",
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
        "the kind is published before the name",
        SEGMENT,
        '    memory[place + _NAME_OFFSET : place + ENTRY_BYTES] = name.ljust(NAME_BYTES, b"\\0")\n'
        "    published = SharedInt(memory, place + _KIND_OFFSET)\n"
        "    published.store(kind)\n",
        "    published = SharedInt(memory, place + _KIND_OFFSET)\n"
        "    published.store(kind)\n"
        '    memory[place + _NAME_OFFSET : place + ENTRY_BYTES] = name.ljust(NAME_BYTES, b"\\0")\n',
        f"{SEGMENTS}::test_a_name_is_written_before_it_is_published",
    ),
    tested(
        "names are made without the lock",
        FILE,
        "        fcntl.flock(file, fcntl.LOCK_EX)",
        "        pass",
        f"{SEGMENTS}::test_threads_exclude_each_other",
    ),
    tested(
        "a child keeps its parent's lock",
        FILE,
        "    for lock in _held.exchange(()):",
        "    for lock in ():",
        f"{SEGMENTS}::test_the_lock_dies_with_its_owner",
    ),
    tested(
        "the name of the file is given before it is whole",
        FILE,
        "            _fill(file, packed_header(capacity), file_bytes(capacity))\n",
        "            _give_name(aside, path)\n"
        "            _fill(file, packed_header(capacity), file_bytes(capacity))\n",
        f"{SEGMENTS}::test_two_create_at_once",
        f"{FILES}::test_what_fails_leaves_nothing",
    ),
    tested(
        "a new segment replaces an old one",
        FILE,
        "        os.link(aside, path)\n",
        "        os.rename(aside, path)\n",
        f"{SEGMENTS}::test_create_replaces_nothing",
    ),
    tested(
        "the checksum is not looked at",
        FILE,
        "    if header[_FIELDS.size :] != _CHECKSUM.pack(zlib.crc32(fields)):",
        "    if False:",
        f"{FILES}::test_every_flipped_bit_of_the_header",
    ),
    tested(
        "a truncated file is mapped",
        FILE,
        "    if size != file_bytes(capacity):",
        "    if size > file_bytes(capacity):",
        f"{FILES}::test_headers_with_the_right_checksum",
        f"{FILES}::test_truncated_and_longer_files",
    ),
    tested(
        "the file is made with holes",
        FILE,
        "    if not _reserve(file, size):\n",
        "    os.ftruncate(file, size)\n    if False:\n",
        f"{FILES}::test_a_full_disk",
        f"{FILES}::test_where_space_cannot_be_reserved",
    ),
    tested(
        "close leaves what another thread just made",
        SEGMENT,
        "            _release(now)\n",
        "            pass\n",
        f"{SEGMENTS}::test_closing_when_a_cell_is_not_entered_yet",
    ),
    tested(
        "the other kind is handed out",
        SEGMENT,
        "        if not isinstance(cell, wanted):",
        "        if False:",
        f"{SEGMENTS}::test_the_other_kind_is_a_type_error",
    ),
]

MUTANTS = GATES + CELLS_OF_THE_BINDING + SEGMENT_FILES
