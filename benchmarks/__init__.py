"""What atomicx costs, beside what it replaces. See docs/performance.md and `python -m benchmarks --help`."""
