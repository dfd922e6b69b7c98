"""The HTTP APIs: `public`, `admin`, and what both share."""
