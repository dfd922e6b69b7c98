"""One client's connection, kept open between its calls."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class Line:
    """One client's connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, headers: str = "", body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """Return status and JSON; (0, {}) when the connection broke."""
        head = f"{method} {path} HTTP/1.1\r\nHost: drill\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        try:
            async with asyncio.timeout(40):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._address)
                reader, writer = self._streams
                writer.write(head.encode() + body)
                answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(answer.split("content-length:", 1)[1].split("\r\n", 1)[0])
                return int(answer[9:12]), json.loads(await reader.readexactly(length))
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0, {}

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
