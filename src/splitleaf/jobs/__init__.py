"""Stage 3: hand-over from the API to the workers: queue, results, messages."""
