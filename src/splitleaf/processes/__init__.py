"""Composition roots: build objects from Settings, nothing else."""
