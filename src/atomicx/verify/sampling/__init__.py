"""Litmus tests run with real threads and processes, many small states in a batch."""
