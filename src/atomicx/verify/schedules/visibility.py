"""Which bytecodes of which code other threads could notice, or be noticed by.

A switch before a bytecode that touches only the frame's own locals and stack leads nowhere that a switch
before the next one does not lead. So such bytecodes get no switch, which makes the schedules fewer by an
order of magnitude and loses none of their outcomes. A return is noticeable: what called may be C code, like
`list.sort`, which goes on then without a bytecode of its own; only where a thread's function itself returns,
nothing comes after.

Three exceptions, all of them rare. Such a bytecode may drop the last reference to an object whose destructor,
written in C, does what others notice (those written in Python are stepped through themselves). Somebody may
read a frame's locals from outside. And an exception may come out of a function straight into the C code that
called it. `every` is there for the first two.

A bytecode of an unknown name counts as noticeable: that costs time, and no schedule.
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
    # These handle the cell, not what is in it.
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
    # Before, these ask the object for its truth; since then TO_BOOL has done so.
    _OWN_FRAME_ONLY |= {"POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE"}

_ANNOUNCES = "EXTENDED_ARG"

_RETURNS = {"RETURN_VALUE", "RETURN_CONST"}

# What a flag says of a bytecode: no switch before it, a switch, or one unless the thread's function ends.
HIDDEN, NOTICEABLE, RETURN = 0, 1, 2


def noticeable(code: CodeType) -> bytes:
    """For each bytecode, counted in units of two bytes, whether others could notice it."""
    raw = code.co_code
    flags = bytearray(len(raw) // 2)
    for unit in reversed(range(len(flags))):
        name = dis.opname[raw[2 * unit]]
        # What is announced decides; only the announcement may get an event.
        if name == _ANNOUNCES:
            flags[unit] = flags[unit + 1]
        elif name in _RETURNS:
            flags[unit] = RETURN
        else:
            flags[unit] = HIDDEN if name in _OWN_FRAME_ONLY else NOTICEABLE
    return bytes(flags)


# A frame looks for a request to give up the GIL when it begins, and after these.
_CHECKED_AFTER = {
    *("RESUME", "GEN_START", "JUMP_BACKWARD", "JUMP_BACKWARD_JIT", "JUMP_BACKWARD_NO_JIT", "JUMP_ABSOLUTE"),
    *("CALL", "CALL_KW", "CALL_FUNCTION_EX", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"),
}


_JUMPS = {*dis.hasjrel, *dis.hasjabs}


def checked(code: CodeType) -> bytes:
    """For each bytecode 1 if this interpreter may give up the GIL before it, as far as it is known to.

    CPython has looked only at the ends of calls and of loops, and where functions begin, since 3.10. Nothing
    promises that; and a call into C may give it up itself, as those that wait do.
    """
    raw = code.co_code
    names = [dis.opname[raw[unit]] for unit in range(0, len(raw), 2)]
    flags = bytearray(len(names))
    after_check = True
    for unit, name in enumerate(names):
        if name == "CACHE":
            continue
        # An announcement and what it announces are one bytecode.
        if name != _ANNOUNCES:
            flags[unit] |= after_check
            after_check = name in _CHECKED_AFTER
        elif after_check:
            flags[unit] = 1
    for jump in dis.get_instructions(code):
        # 3.10 looks after each conditional jump that is taken, later versions after those that go back.
        if jump.opcode in _JUMPS and (jump.argval <= jump.offset or sys.version_info < (3, 11)):
            flags[jump.argval // 2] = 1
    return bytes(flags)


def every(code: CodeType) -> bytes:
    """Each bytecode, whether others could notice it or not."""
    return b"\1" * (len(code.co_code) // 2)


# The programs that this package brings along are steps; the machine that steps is not.
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
    """Whose bytecodes are steps. All others run as a part of the step that called them.

    Not stepped through: C code, the standard library, and atomicx itself, so that an operation of the
    pure-Python twin is one step, as one in C is. Everything else is, wherever it was installed. `step_into`
    names a module, a package, a class or a function (then its file), or a file that is stepped through all
    the same, `one_step` more of what is not.
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
        # By identity: code objects that are equal may have been compiled from different places.
        self._known: dict[int, tuple[CodeType, bytes | None]] = {}

    def visible(self, code: CodeType) -> bytes | None:
        """Which bytecodes of `code` are steps; None if it is not stepped through."""
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
