"""Why a file cannot become a version."""

from __future__ import annotations


class Refused(Exception):
    """Carries a stable code and a message for the person who imports."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
