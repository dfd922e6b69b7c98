"""Prints what each of the 75 + 28 images gets, as a Markdown table; exits with 1 if one gets what it should not.

python -m tests.images.corpus                          through the decoding children alone: code, time, memory, pixels
python -m tests.images.corpus --url URL [--watch PID]  from a running service: status, answer or code, time; with the
                                                       process id of its `splitleaf up` on this machine, memory too
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httpx

from tests.images.corpus import ALL, Case
from tests.images.corpus.measuring import measure, table
from tests.images.corpus.serving import Watch, send_all, served_table


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.images.corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="send the images to a running service, such as http://127.0.0.1:8000")
    parser.add_argument("--watch", type=int, metavar="PID", help="the process of `splitleaf up`, to measure memory")
    parser.add_argument("--only", default="", help="the cases whose name contains this text")
    options = parser.parse_args()
    cases = [case for case in ALL if options.only.lower() in case.name.lower()]
    if options.url:
        return through_http(cases, options.url, options.watch)
    rows = [asyncio.run(measure(case)) for case in cases]
    print(table(rows))
    return 0 if all(row.is_right for row in rows) else 1


def through_http(cases: Sequence[Case], url: str, system_pid: int | None) -> int:
    watch = Watch(system_pid) if system_pid else None
    before = watch.resident_mib() if watch else 0.0
    rows = send_all(cases, url, watch)
    print(served_table(rows))
    if watch:
        print(f"\nAPI and decoding children together: {before:.0f} MiB before, {watch.resident_mib():.0f} MiB after")
    alive = httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    print(f"\nready afterwards: {'yes' if alive else 'NO'}")
    return 0 if alive and all(row.is_right for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
