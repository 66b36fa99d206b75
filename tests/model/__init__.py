"""The specification as tables, and what the tests make of them.

operations.py says what a row is, kinds.py what an argument is, and tables.py is the specification.
edges.py and strategies.py draw arguments; check.py holds a real cell against its row.
"""
