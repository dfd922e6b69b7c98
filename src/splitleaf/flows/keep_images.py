"""An accepted image -> our own re-encoding of it, kept for review. In the background, and given up before it is in
the way of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from splitleaf.core.errors import Overloaded, SplitleafError
from splitleaf.images.archive import ImageArchive
from splitleaf.images.intake import DecodedImage, ImageIntake
from splitleaf.images.reencoding import bounded_spec, to_jpeg

log = structlog.get_logger(__name__)

MOST_IN_HAND: Final = 32
MOST_BYTES_IN_HAND: Final = 32_000_000
"""Uploads that wait here to be kept. More are given up: they would fill the memory."""


class ImageKeeping:
    """Whatever goes wrong here, no one who waits for an answer notices."""

    def __init__(
        self,
        intake: ImageIntake,
        archive: ImageArchive,
        max_side: int,
        on_done: Callable[[bool], None] = lambda _is_kept: None,
    ) -> None:
        """`intake` is one of its own, so that no answer waits behind an image that is to be kept.

        `on_done` is told of each image whether it is kept or was given up.
        """
        self._intake = intake
        self._archive = archive
        self._max_side = max_side
        self._in_hand: set[asyncio.Task[None]] = set()
        self._bytes_in_hand = 0
        self._on_done = on_done

    def offer(self, prediction_id: str, data: bytes, image: DecodedImage) -> bool:
        """Begin to keep an upload that decodes to `image`; return False when that was given up at once."""
        if len(self._in_hand) >= MOST_IN_HAND or (
            self._in_hand and self._bytes_in_hand + len(data) > MOST_BYTES_IN_HAND
        ):
            self._give_up("too many wait")
            return False
        self._bytes_in_hand += len(data)
        run = asyncio.create_task(self._run(prediction_id, data, image.width, image.height))
        self._in_hand.add(run)
        run.add_done_callback(self._in_hand.discard)
        return True

    async def finish(self) -> None:
        """Wait for the work in progress."""
        await asyncio.gather(*self._in_hand)

    async def _run(self, prediction_id: str, data: bytes, width: int, height: int) -> None:
        try:
            decoded = await self._intake.decode(data, [bounded_spec(width, height, self._max_side)])
            jpeg = await asyncio.to_thread(to_jpeg, decoded.tensors[0])
            await asyncio.to_thread(self._archive.keep, prediction_id, jpeg)
            self._on_done(True)
        except Overloaded as error:
            self._give_up(error.detail)
        except SplitleafError as error:
            self._give_up(error.detail)
            log.warning("image_not_kept", reason=error.detail)
        except Exception:
            self._give_up("a fault")
            log.exception("image_not_kept")
        finally:
            self._bytes_in_hand -= len(data)

    def _give_up(self, reason: str) -> None:
        self._on_done(False)
        log.debug("image_given_up", reason=reason)
