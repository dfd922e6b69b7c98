"""What the command line does on this machine, in the database that a running system reads."""

import splitleaf.installation  # noqa: F401 - first: it decides how structlog is imported
