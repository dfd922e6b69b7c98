"""Finds the server to connect to: the address itself, or the primary that the sentinels name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from splitleaf.jobs.redis.address import BrokerAddress
from splitleaf.jobs.redis.connection import Connection, check_server

Check = Callable[[Mapping[str, str]], None]
"""Raises for a server that does not meet the requirements, by its `INFO` fields."""


async def connect(address: BrokerAddress, check: Check = check_server) -> Connection:
    """Connect to a server that passes the check.

    Raises `OSError` if no server can be reached or none is a primary at the moment, and `ConfigurationError` if a
    server does not meet the requirements.
    """
    return await (_by_sentinels(address, check) if address.sentinels else _direct(address, check))


async def _direct(address: BrokerAddress, check: Check) -> Connection:
    connection = await Connection.open(address)
    try:
        check(connection.server_info)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _by_sentinels(address: BrokerAddress, check: Check) -> Connection:
    """Ask all sentinels at the same time, so that an unreachable one costs no time. Use the first primary found."""
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
            if isinstance(late, Connection) and late is not chosen:
                late.abort()
    raise ConnectionRefusedError(f"no sentinel names a primary of {address.name!r}: {'; '.join(sorted({*refusals}))}")


async def _by_sentinel(address: BrokerAddress, sentinel: BrokerAddress, check: Check) -> Connection:
    connection = await Connection.open(sentinel)
    try:
        location = await connection.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.name)
    finally:
        connection.abort()
    if location is None:
        raise ConnectionRefusedError("the name is unknown")
    host, port = location
    return await _direct(replace(address, host=host.decode(), port=int(port), sentinels=()), check)
