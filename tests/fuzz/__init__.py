"""Fuzz tests: damaged files and random requests must be accepted or refused with one of our errors, and nothing may crash.

`python -m tests.fuzz [--cases N] [--seed N] [--only NAME]`. `make fuzz` runs 2,000 cases per target.
"""
