"""`splitleaf doctor`: checks of an installation. Each check says what is wrong and what to do about it."""

import splitleaf.installation  # noqa: F401 - first: it decides how structlog is imported
