"""The loop of a worker: claim -> batch -> flow -> finish."""
