"""`python -m tests.images.corpus [--url URL] [--only TEXT]`: prints what each of the 75 + 28 pictures gets."""

from __future__ import annotations

import argparse
import asyncio
import sys

import httpx

from tests.images.corpus import ALL
from tests.images.corpus.measuring import measure, send, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.images.corpus", description=__doc__)
    parser.add_argument("--url", help="send the pictures to a running service, such as http://host/v1/predictions")
    parser.add_argument("--only", default="", help="the cases whose name contains this text")
    options = parser.parse_args()
    cases = [case for case in ALL if options.only.lower() in case.name.lower()]
    if options.url:
        with httpx.Client(timeout=60) as client:
            rows = [send(case, options.url, client) for case in cases]
    else:
        rows = [asyncio.run(measure(case)) for case in cases]
    print(table(rows))
    return 0 if all(row.is_right for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
