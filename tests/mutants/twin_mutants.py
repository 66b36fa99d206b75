"""Bugs of the pure-Python twin, claimed by its own tests and by the stress tests."""

from mutants.mutant import Mutant

CHAIN = "src/atomicx/_reference/chain.py"
LOOPS = "src/atomicx/_reference/loops.py"
FAMILY = "src/atomicx/_reference/type_family.py"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", tests)


MUTANTS = [
    tested(
        "twin: two may supersede one version",
        CHAIN,
        '    if version.setdefault("next", successor) is not successor:\n        return False\n',
        '    if version.get("next") is not None:\n        return False\n    version["next"] = successor\n',
        "tests/test_twin.py::test_interrupted_before_any_bytecode",
    ),
    tested(
        "twin: the value is read after the check for a successor",
        CHAIN,
        """        value = version.value
        successor = version.get("next")
        if successor is None:
            return version, value
""",
        """        successor = version.get("next")
        if successor is None:
            return version, version.value
""",
        "tests/test_twin.py::test_interrupted_before_any_bytecode",
    ),
    tested(
        "twin: a stale head is not corrected from the table",
        CHAIN,
        "    table[successor.number] = successor\n",
        "    table.setdefault(successor.number, version)\n",
        "tests/test_twin.py::test_interrupted_before_any_bytecode",
    ),
    tested(
        "twin: superseded versions keep their values",
        CHAIN,
        "    version.value = None\n",
        "",
        "tests/test_twin.py::test_replaced_objects_go_at_once",
    ),
    tested(
        "twin: an operation ignores whether its swap succeeded",
        LOOPS,
        "        if swap(cell, version, result):\n            return previous, result\n",
        "        swap(cell, version, result)\n        return previous, result\n",
        "tests/test_twin.py::test_interrupted_before_any_bytecode",
    ),
    tested(
        "twin: a child is published though another was",
        FAMILY,
        "        elif swap(family, version, Held({**children, labels: child}, held.removed)):\n"
        "            return child\n",
        "        else:\n            swap(family, version, Held({**children, labels: child}, held.removed))\n"
        "            return child\n",
        "tests/stress/test_family.py",
    ),
]
