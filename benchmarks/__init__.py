"""Figures of the documentation, measured by hand with `make bench`. Never part of the tests."""
