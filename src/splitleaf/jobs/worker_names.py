"""Names of worker and controller processes."""

from __future__ import annotations

import os
import secrets
import socket


def new_worker_name() -> str:
    """Return a name that no other process has or had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
