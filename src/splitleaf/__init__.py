"""Splitleaf serves versioned image classifiers and finds out, soundly, which version is better."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    # Looked up when someone asks: reading the installed package's metadata would cost each start some milliseconds.
    if name == "__version__":
        from importlib.metadata import version

        return version("splitleaf")
    raise AttributeError(name)
