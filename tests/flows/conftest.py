from __future__ import annotations

from tests.jobs.conftest import parts, server, shared_server

__all__ = ["parts", "server", "shared_server"]
