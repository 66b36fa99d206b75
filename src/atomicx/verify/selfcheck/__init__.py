"""`python -m atomicx verify`: the catalogue of rows, their controls, and the verdict."""
