"""Whatever strangers may hand in, damaged by chance: it is taken or refused in our words, and nothing crashes.

`python -m tests.fuzz [--cases N] [--seed N] [--only NAME]`; `make fuzz` is 2,000 cases of each.
"""
