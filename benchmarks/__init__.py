"""What atomicx costs, compared with what it replaces. See docs/measurements.md and `python -m benchmarks
--help`."""
