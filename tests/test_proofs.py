"""The contracts of the C core are consistent, and a fault is planted for each. `make proofs` proves them."""

from pathlib import Path

import pytest

from proofs.contracts import CORE, FUNCTIONS_WITHOUT, BadContract, contracts
from proofs.faults import FAULTS
from proofs.harness import Harness, variants

pytestmark = pytest.mark.one_run


def test_each_function_of_the_core_has_a_contract_or_a_reason() -> None:
    found = {contract.function for contract in contracts()}
    steps = {"add", "sub", "replace", "and", "or", "xor", "max", "min", "advance", "inc_mod"}
    assert {f"ax_int_step_{step}" for step in steps} <= found
    assert len(found) >= 50


def test_each_reason_is_of_something_that_is_there() -> None:
    text = "".join(path.read_text() for path in CORE.glob("*.[ch]"))
    assert [name for name in FUNCTIONS_WITHOUT if f"{name}(" not in text] == []


def test_each_contract_can_be_turned_into_a_program() -> None:
    for contract in contracts():
        assert f"{contract.function}(" in Harness(contract).text()
        assert variants(contract)


def test_a_fault_is_planted_for_each_contract_and_applies() -> None:
    assert {fault.function for fault in FAULTS} == {contract.function for contract in contracts()}
    for fault in FAULTS:
        fault.planted((CORE / fault.file).read_text())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "/*   ensures returned == a */\nstatic int g(int a)\n{\n    return a;\n}\n\n"
            "AX_INLINE int f(int a)\n{\n    return a;\n}\n",
            "f has no contract",
        ),
        ("AX_INLINE int ax_new_step_f(int a)\n{\n    return a;\n}\n", "ax_new_step_f has no contract"),
        (
            "/*   requires a > 0\n *   ensures returned == a */\n"
            "AX_INLINE int f(int a)\n{\n    return a;\n}\n",
            "f requires what it does not assert: a > 0",
        ),
        ("/*   ensures returned == a */\nint f(int a);\n", "belongs to its definition"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "ax_new.h").write_text(text)
    with pytest.raises(BadContract, match=reason):
        contracts(tmp_path)
