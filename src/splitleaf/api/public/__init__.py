"""The public API: predictions, feedback, labels, health and the reference. It never names a model version."""
