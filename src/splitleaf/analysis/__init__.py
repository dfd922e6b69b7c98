"""Stage 6: outcomes -> report. Pure functions of sufficient statistics.

What a person may look at more than once is anytime-valid: its error rate holds however often and whenever
anybody looks. docs/explanation/statistics.md tells what the numbers mean. Modules are imported one by one. The
special functions are our own (`special`, `gamma`, `incomplete`): serving pays neither disk nor time for scipy.
"""
