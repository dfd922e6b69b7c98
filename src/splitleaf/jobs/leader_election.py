"""The port through which controllers elect a leader, publish its status, and learn which work is still open."""

from __future__ import annotations

from typing import Protocol


class LeaderElection(Protocol):
    """One lease for all controllers, timed by the broker's clock.

    The lease does not fence anything: a leader may be suspended and continue after another one was elected. So each
    change of an experiment must be a compare-and-swap.
    """

    async def lead(self, controller: str, ttl_s: float, statement: str = "") -> bool:
        """Take or renew the lease and publish a statement.

        Returns False, and changes nothing, while another controller leads.
        """
        ...

    async def resign(self, controller: str) -> None:
        """Release the lease, unless another controller holds it."""
        ...

    async def statement(self) -> str:
        """Return the leader's last statement; empty while there is no leader."""
        ...

    async def settled_ms(self) -> int:
        """Return the time, by the broker's clock, before which all created predictions are final and recorded.

        Shadows do not count. A task that hangs holds the time back until one lease after its deadline, when it ends as
        expired. Ask before reading the store: everything created before that time is in it.
        """
        ...

    async def close(self) -> None: ...
