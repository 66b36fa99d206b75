"""Runs small Python programs in every order of their bytecodes, up to a bound."""
