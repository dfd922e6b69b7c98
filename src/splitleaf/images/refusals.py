"""Why an image is refused: stable codes, each with words that may be shown to the public."""

from __future__ import annotations

from splitleaf.core.errors import PayloadTooLarge, RejectedImage, RejectedInput, UnsupportedMedia

EMPTY = "image_empty"
CORRUPT = "image_corrupt"
TRUNCATED = "image_truncated"
TOO_MANY_PIXELS = "image_too_many_pixels"
BAD_ASPECT = "image_bad_aspect"
TOO_SMALL = "image_too_small"
TOO_COMPLEX = "image_too_complex"
ANIMATED = "image_animated"
METADATA = "metadata_too_large"
UNSUPPORTED = UnsupportedMedia.code
TOO_LARGE = PayloadTooLarge.code

DETAILS: dict[str, str] = {
    EMPTY: "The file is empty.",
    CORRUPT: "The image is damaged and cannot be read.",
    TRUNCATED: "The image is cut off; a part of the file is missing.",
    TOO_MANY_PIXELS: "The image has too many pixels.",
    BAD_ASPECT: "The image is far too long or too narrow.",
    TOO_SMALL: "The image is too small.",
    TOO_COMPLEX: "The image takes too much time or memory to decode.",
    ANIMATED: "The file is an animation; send a still image.",
    METADATA: "The image carries too much metadata.",
    UNSUPPORTED: "This is not an image of an accepted format: send JPEG, PNG, WebP, HEIC or AVIF.",
    TOO_LARGE: "The file is too large.",
}
"""The order is that of the numbers on the wire between a child and its parent."""

CODES: tuple[str, ...] = tuple(DETAILS)


class Refusal(Exception):
    """An image is refused; raised inside this package and turned into the public error at its edge."""

    def __init__(self, code: str, reason: str = "") -> None:
        """`reason` is for developers and tests; it never leaves the process."""
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


def public_error(code: str) -> RejectedInput:
    """Return the error of `splitleaf.core.errors` for a code of this module."""
    detail = DETAILS[code]
    if code == UNSUPPORTED:
        return UnsupportedMedia(detail)
    if code == TOO_LARGE:
        return PayloadTooLarge(detail)
    return RejectedImage(detail, code=code)
