"""Hypothesis drives a cell and its model through the same operations, and they must always agree."""

import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from atomicx.verify.spec.cells import ALL
from atomicx.verify.spec.model import Model, Operation
from model.check import check_operation
from model.strategies import arguments


def identifier(operation: Operation) -> str:
    return re.sub(r"\W+", "_", operation.name).strip("_")


def rule_of(model: Model, operation: Operation) -> Any:
    def step(machine: Any, args: tuple[Any, ...]) -> None:
        machine.state = check_operation(model, operation, machine.cell, machine.state, args)

    step.__name__ = identifier(operation)
    return rule(args=arguments(operation))(step)


def machine_of(backend: ModuleType, model: Model) -> type[RuleBasedStateMachine]:
    """Return a state machine with one rule per row of the table."""

    def start(machine: Any) -> None:
        machine.cell = model.make(backend, model.initial)
        machine.state = model.initial

    rules: dict[str, Any] = {"start": initialize()(start)}
    for operation in model.operations:
        made = rule_of(model, operation)
        rules[identifier(operation)] = made
    return type(f"{model.name}Machine", (RuleBasedStateMachine,), rules)


@pytest.mark.parametrize("model", ALL, ids=str)
def test_cell_follows_its_model(backend: ModuleType, model: Model) -> None:
    run_state_machine_as_test(machine_of(backend, model), settings=settings(stateful_step_count=60))
