"""Stage 5: what happened, append-only."""
