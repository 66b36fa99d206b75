"""Ordinary Python operations, and which of them are atomic on this interpreter."""
