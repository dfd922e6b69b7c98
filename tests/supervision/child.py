"""A child for the supervisor's tests: `child.py NAME BEHAVIOUR --parent-fd N`; it writes down what happens to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from splitleaf.supervision.parent import watch_parent

name, behaviour, _, parent_fd = sys.argv[1:]


def note(what: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{name} {what} {os.getpid()} {time.monotonic()}\n")


async def live() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, ended.set)
    watch_parent(int(parent_fd), ended.set)
    note("started")
    await ended.wait()
    note("ended")


if behaviour.isdigit():
    note("started")
    sys.exit(int(behaviour))
asyncio.run(live())
