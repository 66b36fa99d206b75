"""The meaning of every operation, in one table that imports nothing from atomicx."""
