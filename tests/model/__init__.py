"""Test inputs and checks derived from the specification in `atomicx.verify.spec`.

edges.py and strategies.py have arguments for each kind; check.py compares one call on a real cell with its
row.
"""
