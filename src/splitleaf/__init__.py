"""Splitleaf serves versioned image classifiers and finds out, soundly, which version is better."""

__all__ = ["__version__"]

__version__ = "0.1.0"
