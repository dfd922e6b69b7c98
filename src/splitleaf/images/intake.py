"""The port of the image intake: bytes of an upload -> checked pixels, as each version wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor

LOW_INFORMATION = "low_information"
"""Flag of an image that is (nearly) one flat colour."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """What is left of an upload: pixels, and nothing else of the file."""

    tensors: tuple[ImageTensor, ...]
    """One for each requested `InputSpec`, in order."""
    width: int
    """Of the original, oriented as its EXIF says."""
    height: int
    flags: tuple[str, ...] = ()


class ImageIntake(Protocol):
    """Turns uploads into tensors."""

    async def decode(self, data: bytes, specs: Sequence[InputSpec]) -> DecodedImage:
        """Check and decode one upload.

        Raises:
            RejectedImage: the image is broken or out of bounds; `error_code` says how.
            UnsupportedMedia: not JPEG, PNG, WebP, HEIC or AVIF.
            PayloadTooLarge: more bytes than the limit.
            Overloaded: too many images wait.
        """
        ...

    async def close(self) -> None:
        """Give back what the intake holds. Images in flight fail with `Overloaded`."""
        ...
