"""Shared by the thread and lifecycle tests: races, broken cells, child processes and native helpers."""
