"""What a version wants its pixels to be like. Part of the version, proved by golden images."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ResizeFilter(StrEnum):
    """Resize filters, named with whose semantics they follow.

    `pillow-*` work on 8-bit pixels and are antialiased (but for nearest); `tf-*` are those of
    `tf.image.resize`: computed in float32, half-pixel centres, no antialiasing unless named.
    """

    PILLOW_NEAREST = "pillow-nearest"
    PILLOW_BILINEAR = "pillow-bilinear"
    PILLOW_BICUBIC = "pillow-bicubic"
    PILLOW_LANCZOS = "pillow-lanczos"
    PILLOW_BOX = "pillow-box"
    PILLOW_HAMMING = "pillow-hamming"
    TF_NEAREST = "tf-nearest"
    TF_BILINEAR = "tf-bilinear"
    TF_BILINEAR_ANTIALIAS = "tf-bilinear-antialias"
    TF_BICUBIC = "tf-bicubic"
    TF_AREA = "tf-area"

    @property
    def is_float(self) -> bool:
        """Whether the result has fractions that rounding to 8 bits would lose."""
        return self.startswith("tf-") and self is not ResizeFilter.TF_NEAREST


class Fit(StrEnum):
    """How an image of another aspect ratio is brought to the input's."""

    STRETCH = "stretch"
    CROP = "crop"
    """Largest centred window of the target's aspect ratio, then resize (`crop_to_aspect_ratio`)."""
    PAD = "pad"
    """Resize inside, then centre on black."""


class ColorOrder(StrEnum):
    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The geometry of a version's input: what the API hands over.

    The tensor is (height, width, channels), uint8 or, where the filter computes in float, float32,
    in the range 0 to 255. Two versions with equal specs share one tensor.
    """

    height: int
    width: int
    color: ColorOrder = ColorOrder.RGB
    resize: ResizeFilter = ResizeFilter.PILLOW_BILINEAR
    fit: Fit = Fit.STRETCH
    exif_orientation: bool = True

    @property
    def channels(self) -> int:
        return 1 if self.color is ColorOrder.GRAY else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.height, self.width, self.channels)

    @property
    def dtype(self) -> str:
        """The tensor's dtype as numpy names it."""
        return "float32" if self.resize.is_float else "uint8"


@dataclass(frozen=True, slots=True)
class Normalization:
    """What happens to the values 0-255 before the network: `(x * scale - mean) / std` per channel."""

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
