"""Concepts that all packages share: ids, clock, errors, predictions. Imports no other package of Splitleaf."""
