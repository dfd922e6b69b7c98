"""What a case of the corpus is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

STATUS_OF = {"payload_too_large": 413, "unsupported_media_type": 415}


@dataclass(frozen=True)
class Case:
    """One file, and what it owes: a refusal's code, or pixels."""

    name: str
    make: Callable[[], bytes]
    code: str = ""
    """Empty for an image that must be accepted."""
    reference: Callable[[], Pixels] | None = None
    """The (h, w, 3) pixels that the image shows, upright, on white."""
    flags: tuple[str, ...] = ()
    filename: str = "leaf.jpg"
    content_type: str = "image/jpeg"
    is_big: bool = field(default=False)
    """Takes a second or more to make."""

    @property
    def status(self) -> int:
        """The HTTP status that the case owes."""
        return STATUS_OF.get(self.code, 422) if self.code else 200

    @cached_property
    def data(self) -> bytes:
        return self.make()
