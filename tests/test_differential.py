"""Hypothesis drives a cell and its model through the same operations, and they never part."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from model.check import check_operation
from model.operations import CellModel, Operation
from model.strategies import arguments
from model.tables import ALL_CELLS


def rule_of(model: CellModel, operation: Operation) -> Any:
    def step(machine: Any, args: tuple[Any, ...]) -> None:
        machine.state = check_operation(model, operation, machine.cell, machine.state, args)

    step.__name__ = operation.name.strip("_")
    return rule(args=arguments(operation))(step)


def machine_of(backend: ModuleType, model: CellModel) -> type[RuleBasedStateMachine]:
    """A machine with one rule a row of the table."""

    def start(machine: Any) -> None:
        machine.cell = model.make(backend, model.zero)
        machine.state = model.zero

    rules: dict[str, Any] = {"start": initialize()(start)}
    for operation in model.operations:
        made = rule_of(model, operation)
        rules[operation.name.strip("_")] = made
    return type(f"{model.type_name}Machine", (RuleBasedStateMachine,), rules)


@pytest.mark.parametrize("model", ALL_CELLS, ids=str)
def test_cell_follows_its_model(backend: ModuleType, model: CellModel) -> None:
    run_state_machine_as_test(machine_of(backend, model), settings=settings(stateful_step_count=60))
