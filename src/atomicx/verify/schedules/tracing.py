"""Calls back before bytecodes, by `sys.monitoring` where it exists (3.12), by `sys.settrace` before.

Since 3.12 `sys.settrace` is built on `sys.monitoring` too, but it does not serve: 3.12.1 crashes on
exceptions that pass through code with opcode events, and 3.13 sends none while code runs for the first time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from .visibility import HIDDEN, NOTICEABLE, RETURN, Scope

OnStep = Callable[[CodeType, int], None]


ENTRIES = ("run_body", "run_call")
"""The functions that call the threads' functions, and the operations in them."""


def _ends_thread(frame: FrameType) -> bool:
    caller = frame.f_back
    return (
        caller is not None
        and caller.f_code.co_name in ENTRIES
        and caller.f_globals.get("__package__") == __package__
    )


class SettraceTracer:
    """One trace function for each thread that enters."""

    def __init__(self, scope: Scope, on_step: OnStep) -> None:
        self._scope = scope
        self._on_step = on_step
        # One object, so that `enter` recognizes it: each look-up of a method makes a new one.
        self._trace = self._call

    def start(self) -> None:
        pass

    def enter(self) -> None:
        # The trace function is unset after an exception has come out of it.
        if sys.gettrace() is not self._trace:
            sys.settrace(self._trace)

    def stop(self) -> None:
        pass

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        if self._scope.visible(frame.f_code) is None:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._local

    def _local(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            code, offset = frame.f_code, frame.f_lasti
            visible = self._scope.visible(code)
            flag = visible[offset >> 1] if visible is not None else HIDDEN
            if flag == NOTICEABLE or (flag == RETURN and not _ends_thread(frame)):
                self._on_step(code, offset)
                # When this returns, the interpreter writes the frame's variables back from a dict, and with
                # them the variables that it shares with other functions: whatever others stored there
                # meanwhile would be lost. Asking for the dict brings it up to date.
                _ = frame.f_locals
        return self._local


if sys.version_info >= (3, 12):
    _monitoring = sys.monitoring
    _NAME = "atomicx.verify.schedules.explorer"
    # By convention, the first ids belong to debuggers, coverage and profilers.
    _TOOLS = (4, 3, 5, 2, 1, 0)

    class _Known(threading.local):
        """What an explored thread knows of code; other threads have None."""

        visible: dict[int, bytes] | None = None

    class MonitoringTracer:
        """Enables events only for code in scope. They come from every thread: `on_step` tells them apart."""

        def __init__(self, scope: Scope, on_step: OnStep) -> None:
            self._scope = scope
            self._on_step = on_step
            self._tool = 0
            self._codes: list[CodeType] = []
            # Each thread has its own memory of the code it knows: without the GIL, looking something up in
            # another thread's dict can take ten times as long as all the rest of a step.
            self._known = _Known()

        def start(self) -> None:
            free = [tool for tool in _TOOLS if _monitoring.get_tool(tool) is None]
            if not free:
                raise RuntimeError("every tool id of sys.monitoring is in use: the explorer needs one")
            events = _monitoring.events
            self._tool = free[0]
            _monitoring.use_tool_id(self._tool, _NAME)
            _monitoring.register_callback(self._tool, events.PY_START, self._on_start)
            _monitoring.register_callback(self._tool, events.INSTRUCTION, self._on_instruction)
            _monitoring.set_events(self._tool, events.PY_START)
            # This exploration may want events that an earlier one disabled.
            _monitoring.restart_events()

        def enter(self) -> None:
            if self._known.visible is None:
                self._known.visible = {}

        def stop(self) -> None:
            events = _monitoring.events
            _monitoring.set_events(self._tool, events.NO_EVENTS)
            for code in self._codes:
                _monitoring.set_local_events(self._tool, code, events.NO_EVENTS)
            for event in (events.PY_START, events.INSTRUCTION):
                _monitoring.register_callback(self._tool, event, None)
            _monitoring.free_tool_id(self._tool)

        def _on_start(self, code: CodeType, offset: int) -> Any:
            if self._scope.visible(code) is not None:
                wanted = _monitoring.events.INSTRUCTION
                if _monitoring.get_local_events(self._tool, code) != wanted:
                    self._codes.append(code)
                    _monitoring.set_local_events(self._tool, code, wanted)
            # Once is enough: the start of a function is the most frequent event of all.
            return _monitoring.DISABLE

        def _on_instruction(self, code: CodeType, offset: int) -> None:
            known = self._known.visible
            if known is None:
                # Not an explored thread: it is the set-up, the check, or an unrelated thread.
                return
            visible = known.get(id(code))
            if visible is None:
                visible = known[id(code)] = self._scope.visible(code) or b""
            flag = visible[offset >> 1] if visible else HIDDEN
            if flag == NOTICEABLE or (flag == RETURN and not _ends_thread(sys._getframe(1))):
                self._on_step(code, offset)

    Tracer = MonitoringTracer
else:
    Tracer = SettraceTracer
