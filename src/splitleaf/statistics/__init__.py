"""Sequential statistics on numpy alone, each module with its source. Pure, and without a word of this product.

What may be looked at more than once is anytime-valid: its error rate holds however often and whenever anyone looks.
docs/explanation/statistics.md tells what the numbers mean. Modules are imported one by one. The special functions are
our own (`special`, `gamma`, `incomplete`): serving pays neither disk nor time for scipy.
"""
