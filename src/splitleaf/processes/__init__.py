"""Composition roots: one module for each process. They build objects from `Settings` and do nothing else."""

import splitleaf.installation  # noqa: F401 - first: it decides how structlog is imported
