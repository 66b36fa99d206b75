"""All mutants, listed by the file that holds them."""

from mutants import (
    binding_mutants,
    c_api_mutants,
    core_cell_mutants,
    core_structure_mutants,
    exponential_mutants,
    guard_mutants,
    shared_mutants,
    twin_mutants,
)
from mutants.mutant import Mutant

MUTANTS: list[Mutant] = [
    *core_cell_mutants.MUTANTS,
    *core_structure_mutants.MUTANTS,
    *binding_mutants.MUTANTS,
    *guard_mutants.MUTANTS,
    *shared_mutants.MUTANTS,
    *c_api_mutants.MUTANTS,
    *twin_mutants.MUTANTS,
    *exponential_mutants.MUTANTS,
]
