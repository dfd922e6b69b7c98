"""Words that everybody shares: ids, clock, errors, predictions. Imports nothing of ours."""
