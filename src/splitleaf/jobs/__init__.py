"""Stage 3: transfer from the API to the workers: queue, results, messages."""
