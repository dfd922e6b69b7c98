"""The port by which controllers agree on who leads, tell what they see, and learn what is still under way."""

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

    async def settled_ms(self) -> int:
        """Return up to when, by the broker's clock, all predictions are final and recorded: none that was created
        before is still to come. Shadows count nowhere.

        A task that hangs holds it up until one lease after its deadline, when it ends as expired. Ask before reading
        the store: what it has then is all of it.
        """
        ...

    async def close(self) -> None: ...
