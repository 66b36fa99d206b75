"""The recipes in docs/cookbook.md hold, wherever one thread interrupts another.

With their atomic operation split in two they do not, so these tests can fail. tests/test_documentation.py
runs the recipes unchanged.
"""

import concurrent.futures.thread  # noqa: F401  (its locks are made at the import, not within an exploration)
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from atomicx.verify import Exploration, explore

Names = dict[str, Any]
Part = Callable[[Names], Any]

COOKBOOK = (Path(__file__).parent.parent / "docs" / "cookbook.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", COOKBOOK, re.DOTALL | re.MULTILINE)
# From here on a block runs its recipe.
RUN = re.compile(r"^(?:with ThreadPoolExecutor|thread = )", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A block, by the operation that makes it right; two threads that use it; the required outcome."""

    operation: str
    apart: str
    """The same operation in two steps."""
    a: Part
    holds: Callable[[Names, Any, Any], bool]
    b: Part | None = None
    """The other thread's part, if it differs."""
    given: Callable[[Names], object] = lambda names: None
    preemptions: int = 1

    @property
    def definitions(self) -> str:
        (block,) = (block for block in BLOCKS if self.operation in block)
        run = RUN.search(block)
        assert run
        return block[: run.start()]


def work(names: Names) -> Callable[[], None]:
    """Return what a request does while it is in flight: it reads how many are."""
    return lambda: names.setdefault("seen", []).append(names["in_flight"].load())


class SplitAdmission:
    """admit() in two steps: it checks, and then it counts."""

    def __init__(self, cell: Any, limit: int) -> None:
        self.cell = cell
        self.limit = limit

    def __enter__(self) -> bool:
        self.admitted = bool(self.cell.load() < self.limit)
        if self.admitted:
            self.cell.inc()
        return self.admitted

    def __exit__(self, *_: object) -> None:
        if self.admitted:
            self.cell.dec()


RECIPES = [
    Recipe(
        "serial.fetch_add()",
        "(n := serial.load(), serial.store(n + 1))[0]",
        a=lambda names: names["request_id"](),
        holds=lambda names, a, b: a != b,
    ),
    Recipe(
        "last.advance(time_ns())",
        "(n := max(time_ns(), last.load() + 1), last.store(n))[0]",
        given=lambda names: names["last"].store(2**62),  # the clock went back
        a=lambda names: names["stamp"](),
        holds=lambda names, a, b: a != b,
    ),
    Recipe(
        "in_flight.admit(LIMIT)",
        "split(in_flight, LIMIT)",
        given=lambda names: names.update(split=SplitAdmission, taken=names["in_flight"].store(2)),
        a=lambda names: names["handle"](work(names)),
        holds=lambda names, a, b: max(names["seen"]) == 3 and names["in_flight"].load() == 2,
        preemptions=2,  # the first has to come back while the second is in flight
    ),
    Recipe(
        "config.update(newer)",
        "config.store(newer(config.load()))",
        a=lambda names: names["reload"](),
        holds=lambda names, a, b: names["config"].load().name == "config 2",
    ),
    Recipe(
        "started.test_and_set()",
        "(was := started.load(), started.store(True))[0]",
        a=lambda names: names["start"](None),
        holds=lambda names, a, b: names["starts"].load() == 1,
    ),
    Recipe(
        "client.compare_exchange(None, made)",
        "client.store(made)",
        a=lambda names: names["get_client"](),
        holds=lambda names, a, b: a is b is names["client"].load(),
    ),
    Recipe(
        "turn.fetch_inc_mod(len(backends))",
        "(n := turn.load(), turn.store((n + 1) % 3))[0]",
        a=lambda names: names["choose"](),
        holds=lambda names, a, b: {a, b} == {"north", "east"},
    ),
    Recipe(
        "highest.fetch_max(depth.add_fetch())",
        "highest.store(max(depth.add_fetch(), highest.load()))",
        a=lambda names: names["enter"](),
        holds=lambda names, a, b: names["highest"].load() == 2,
    ),
    Recipe(
        "self.due_ns.compare_and_set(due_ns, start_ns + self.interval_ns)",
        "self.due_ns.store(start_ns + self.interval_ns) is None",
        given=lambda names: names["limiter"].due_ns.store(1_090_000_000),  # one request of the burst is left
        a=lambda names: names["limiter"].admit(),
        holds=lambda names, a, b: a != b,
    ),
    Recipe(
        "requests.drain()",
        "(n := requests.load(), requests.__init__(0))[0]",
        a=lambda names: names["flush"](),
        b=lambda names: names["requests"].inc(),
        holds=lambda names, a, b: sum(names["flushed"]) + names["requests"].load() == 1,
    ),
]


def explored(recipe: Recipe, definitions: str) -> Exploration:
    code = compile(definitions, "cookbook.md", "exec")

    def program() -> Names:
        names: Names = {"__name__": "cookbook"}
        exec(code, names)
        recipe.given(names)
        return names

    return explore(
        program,
        [recipe.a, recipe.b or recipe.a],
        lambda names, results: recipe.holds(names, *results),
        preemptions=recipe.preemptions,
    )


def test_each_recipe_is_here() -> None:
    assert [recipe.operation for recipe in RECIPES if recipe.operation not in COOKBOOK] == []
    assert len(RECIPES) == len(BLOCKS)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.operation)
def test_a_recipe_holds_wherever_it_is_interrupted(recipe: Recipe) -> None:
    found = explored(recipe, recipe.definitions)
    assert found.ok, str(found.failure)
    assert found.executions >= 2


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.operation)
def test_its_operation_taken_apart_is_caught(recipe: Recipe) -> None:
    found = explored(recipe, recipe.definitions.replace(recipe.operation, recipe.apart))
    assert not found.ok
