"""The way to the broker: straight, or to the primary that sentinels name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from splitleaf.jobs.redis.address import BrokerAddress
from splitleaf.jobs.redis.wire import Wire, check_server

Check = Callable[[Mapping[str, str]], None]
"""Raises for a server that does not fit, by what it says of itself."""


async def reach(address: BrokerAddress, check: Check = check_server) -> Wire:
    """Connect to a server that fits.

    Raises `OSError` when there is none to be had, or none that is a primary at the moment, and `ConfigurationError` for
    one that does not fit.
    """
    return await (_by_sentinels(address, check) if address.sentinels else _straight(address, check))


async def _straight(address: BrokerAddress, check: Check) -> Wire:
    wire = await Wire.open(address)
    try:
        check(wire.facts)
    except BaseException:
        wire.abort()
        raise
    return wire


async def _by_sentinels(address: BrokerAddress, check: Check) -> Wire:
    """Ask all sentinels at once, so that one whose host is gone costs no time; the first way to a primary is taken."""
    asking = [asyncio.create_task(_by_sentinel(address, one, check)) for one in address.sentinels]
    chosen, refusals = None, []
    try:
        for answer in asyncio.as_completed(asking):
            try:
                chosen = await answer
                return chosen
            except OSError as error:
                refusals.append(str(error))
    finally:
        for task in asking:
            task.cancel()
        for late in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(late, Wire) and late is not chosen:
                late.abort()
    raise ConnectionRefusedError(f"no sentinel names a primary of {address.name!r}: {'; '.join(sorted({*refusals}))}")


async def _by_sentinel(address: BrokerAddress, sentinel: BrokerAddress, check: Check) -> Wire:
    line = await Wire.open(sentinel)
    try:
        place = await line.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.name)
    finally:
        line.abort()
    if place is None:
        raise ConnectionRefusedError("the name is unknown")
    host, port = place
    return await _straight(replace(address, host=host.decode(), port=int(port), sentinels=()), check)
