"""What the thread and lifecycle tests share: races, broken cells, child processes and native helpers."""
