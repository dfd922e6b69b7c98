"""`splitleaf backup` and `splitleaf restore`: an installation in one file."""

import splitleaf.installation  # noqa: F401 - first: it decides how structlog is imported
