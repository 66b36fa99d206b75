"""Which bytecodes of which code other threads could notice, or be noticed by.

A bytecode that touches only the frame's own locals and stack needs no switch before it: a switch before the
next bytecode leads to the same outcomes. So such bytecodes get no switch, which makes the schedules fewer by
an order of magnitude and loses none of their outcomes. A return is noticeable: the caller may be C code, like
`list.sort`, which then goes on without a bytecode of its own. Only when a thread's function itself returns
does nothing come after.

There are three exceptions, all of them rare. Such a bytecode may drop the last reference to an object whose
destructor is written in C and does something that others notice (destructors written in Python are stepped
through themselves). Other code may read a frame's locals from outside. And an exception may come out of a
function straight into the C code that called it. `every` is there for the first two.

A bytecode with an unknown name counts as noticeable: that costs time, but loses no schedule.
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from .places import Places, is_library, is_tuple_maker

_OWN_FRAME_ONLY = {
    *("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW"),
    *("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"),
    *("STORE_FAST_MAYBE_NULL", "DELETE_FAST", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL"),
    *("LOAD_CONST_MORTAL", "LOAD_COMMON_CONSTANT", "LOAD_ASSERTION_ERROR"),
    # These handle the cell, not its content.
    *("LOAD_CLOSURE", "MAKE_CELL", "COPY_FREE_VARS", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"),
    *("POP_TOP", "POP_ITER", "DUP_TOP", "DUP_TOP_TWO", "ROT_TWO", "ROT_THREE", "ROT_FOUR", "ROT_N"),
    *("COPY", "SWAP", "PUSH_NULL", "NOP", "NOT_TAKEN", "CACHE", "RESUME", "RESUME_CHECK", "PRECALL"),
    *("KW_NAMES", "GEN_START", "IS_OP", "BUILD_TUPLE", "BUILD_LIST", "BUILD_SLICE"),
    *("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_BACKWARD_JIT"),
    *("JUMP_BACKWARD_NO_JIT", "JUMP_ABSOLUTE", "JUMP", "JUMP_NO_INTERRUPT"),
    *("POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE", "POP_JUMP_FORWARD_IF_NONE"),
    *("POP_JUMP_FORWARD_IF_NOT_NONE", "POP_JUMP_BACKWARD_IF_NONE", "POP_JUMP_BACKWARD_IF_NOT_NONE"),
    *("SETUP_FINALLY", "POP_BLOCK", "POP_EXCEPT", "PUSH_EXC_INFO"),
}
if sys.version_info >= (3, 13):
    # Before 3.13 these ask the object for its truth; since then TO_BOOL has done so.
    _OWN_FRAME_ONLY |= {"POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE"}

_ANNOUNCES = "EXTENDED_ARG"

_RETURNS = {"RETURN_VALUE", "RETURN_CONST"}

# What a flag says about a bytecode: no switch before it, a switch, or one unless the thread's function ends.
HIDDEN, NOTICEABLE, RETURN = 0, 1, 2


def noticeable(code: CodeType) -> bytes:
    """Return, for each bytecode (in units of two bytes), whether other threads could notice it."""
    raw = code.co_code
    flags = bytearray(len(raw) // 2)
    for unit in reversed(range(len(flags))):
        name = dis.opname[raw[2 * unit]]
        # The announced bytecode decides, but only the announcement may get an event.
        if name == _ANNOUNCES:
            flags[unit] = flags[unit + 1]
        elif name in _RETURNS:
            flags[unit] = RETURN
        else:
            flags[unit] = HIDDEN if name in _OWN_FRAME_ONLY else NOTICEABLE
    return bytes(flags)


# A frame checks for a request to give up the GIL when it begins, and after these.
_CHECKED_AFTER = {
    *("RESUME", "GEN_START", "JUMP_BACKWARD", "JUMP_BACKWARD_JIT", "JUMP_BACKWARD_NO_JIT", "JUMP_ABSOLUTE"),
    *("CALL", "CALL_KW", "CALL_FUNCTION_EX", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"),
}


_JUMPS = {*dis.hasjrel, *dis.hasjabs}


def checked(code: CodeType) -> bytes:
    """Return 1 for each bytecode before which this interpreter may give up the GIL, as far as is known.

    Since 3.10 CPython has checked only at the ends of calls and loops, and where functions begin. Nothing
    promises that. A call into C may also give up the GIL itself, as calls that wait do.
    """
    raw = code.co_code
    names = [dis.opname[raw[unit]] for unit in range(0, len(raw), 2)]
    flags = bytearray(len(names))
    after_check = True
    for unit, name in enumerate(names):
        if name == "CACHE":
            continue
        # An announcement and the bytecode that it announces count as one.
        if name != _ANNOUNCES:
            flags[unit] |= after_check
            after_check = name in _CHECKED_AFTER
        elif after_check:
            flags[unit] = 1
    for jump in dis.get_instructions(code):
        # 3.10 checks after each conditional jump that is taken, later versions after backward jumps.
        if jump.opcode in _JUMPS and (jump.argval <= jump.offset or sys.version_info < (3, 11)):
            flags[jump.argval // 2] = 1
    return bytes(flags)


def every(code: CodeType) -> bytes:
    """Return 1 for each bytecode, whether other threads could notice it or not."""
    return b"\1" * (len(code.co_code) // 2)


# The programs that this package contains are stepped through; the machine that steps them is not.
_VERIFY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PACKAGE = Places([os.path.join(os.path.dirname(_VERIFY), "")])
_FILES_OF_PROGRAMS = (
    ("sampling", "programs.py"),
    ("selfcheck", "catalogue.py"),
    ("selfcheck", "controls.py"),
    ("idioms", "numbers.py"),
    ("idioms", "dicts.py"),
    ("idioms", "sequences.py"),
    ("idioms", "containers.py"),
)
_PROGRAMS = Places([os.path.join(_VERIFY, *names) for names in _FILES_OF_PROGRAMS])


class Scope:
    """Which code's bytecodes are steps. All other code runs as part of the step that called it.

    Not stepped through: C code, the standard library, and atomicx itself. So an operation of the pure-Python
    twin is one step, like an operation in C. Everything else is stepped through, wherever it was installed.
    `step_into` names modules, packages, classes or functions (which stand for their file), or files that are
    stepped through all the same; `one_step` names more that are not.
    """

    def __init__(
        self,
        step_into: Iterable[Any] = (),
        one_step: Iterable[Any] = (),
        flags: Callable[[CodeType], bytes] = noticeable,
    ) -> None:
        self._stepped = Places(step_into)
        self._whole = Places(one_step)
        self._flags_of = flags
        # By identity: equal code objects may have been compiled from different places.
        self._known: dict[int, tuple[CodeType, bytes | None]] = {}

    def visible(self, code: CodeType) -> bytes | None:
        """Return which bytecodes of `code` are steps; None if it is not stepped through."""
        known = self._known.get(id(code))
        if known is not None:
            return known[1]
        flags = self._flags(code)
        self._known[id(code)] = code, flags
        return flags

    def _flags(self, code: CodeType) -> bytes | None:
        if is_tuple_maker(code) or not self._is_stepped(code.co_filename):
            return None
        return self._flags_of(code)

    def _is_stepped(self, filename: str) -> bool:
        if filename in self._stepped:
            return True
        if filename in self._whole:
            return False
        if filename in _PACKAGE:
            return filename in _PROGRAMS
        return not is_library(filename)
