"""A refused request's rate limit, and the response headers that report one."""

from __future__ import annotations

import math

from splitleaf.core.errors import RateLimited
from splitleaf.jobs.rates import Standing


class TooManyRequests(RateLimited):
    """This client sent too many requests."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(retry_after_s=standing.wait_s)
        self.standing = standing


def limit_headers(standing: Standing) -> dict[str, str]:
    """Return the quota headers of draft-ietf-httpapi-ratelimit-headers (versions 8 to 11).

    `t` is the time until the whole quota is available again or, if nothing is left, until one more request is.
    """
    rate, left = standing.rate, standing.remaining
    reset_s = (rate.count - left) * rate.interval_ms / 1000 if left else standing.wait_s
    return {
        "RateLimit-Policy": f'"{rate.name}";q={rate.count};w={rate.window_s}',
        "RateLimit": f'"{rate.name}";r={left};t={math.ceil(reset_s)}',
    }
