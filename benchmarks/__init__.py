"""Measures atomicx and what it replaces. See docs/measurements.md and `python -m benchmarks --help`."""
