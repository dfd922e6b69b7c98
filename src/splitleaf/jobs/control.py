"""The port by which controllers agree on who leads, and by which the leader tells what it sees."""

from __future__ import annotations

from typing import Protocol


class ControlDesk(Protocol):
    """One lease for all controllers, kept by the broker's clock.

    The lease alone fences nothing: a leader may be frozen and go on when another one leads. What it does to an
    experiment must be a compare-and-swap.
    """

    async def lead(self, controller: str, ttl_s: float, statement: str = "") -> bool:
        """Take or renew the lease and leave a statement; False, and nothing is changed, while another one leads."""
        ...

    async def resign(self, controller: str) -> None:
        """Give the lease back, unless another one has it."""
        ...

    async def statement(self) -> str:
        """Return what the leader said last; empty while nobody leads."""
        ...

    async def close(self) -> None: ...
