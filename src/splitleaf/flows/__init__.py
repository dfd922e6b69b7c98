"""One file per flow. Read this folder first."""
