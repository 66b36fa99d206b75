"""What every operation means: the one table, which imports nothing of atomicx."""
