"""Images that look strange and are fine."""

from __future__ import annotations

import io
import zipfile
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from tests.images.corpus.cases import Case, Pixels
from tests.images.corpus.images import avif, encoded, heic, jpeg, on_white, photo, png
from tests.images.corpus.surgery import COM, DHT, raw_png, segment, with_segment, without

_PHONE = (8000, 6000)
_HEIC_24_MP = (5712, 4284)
_12_MP = (4032, 3024)


def _grey() -> Pixels:
    return np.asarray(Image.fromarray(photo()).convert("L"))


def _grey_shown() -> Pixels:
    return np.repeat(_grey()[:, :, None], 3, axis=2)


def _alpha() -> Pixels:
    y, x = np.mgrid[0:240, 0:320]
    return np.asarray(np.clip(x + y // 2, 0, 255), dtype=np.uint8)


def _cmyk() -> bytes:
    return jpeg(Image.fromarray(photo()).convert("CMYK"), quality=95)


def _turned_6() -> bytes:
    """Stored lying on its side; orientation 6 tells to turn it clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(np.rot90(photo(), 1).copy(), exif=exif.tobytes())


def _with_gps() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 30.0), 3: "E", 4: (8.0, 32.0, 10.0)})
    return jpeg(exif=exif.tobytes())


def _with_zip_tail() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("payload.txt", "x" * 1000)
    return jpeg() + out.getvalue()


def _mpo() -> bytes:
    image = Image.fromarray(photo())
    return encoded(image, "MPO", save_all=True, append_images=[image.rotate(180)], quality=92)


def _rgba() -> bytes:
    return png(np.dstack([photo(), _alpha()]))


def _la() -> bytes:
    return png(np.dstack([_grey(), _alpha()]))


def _palette_image() -> Image.Image:
    return Image.fromarray(photo()).quantize(64, dither=Image.Dither.NONE)


def _palette() -> bytes:
    return png(_palette_image(), transparency=3)


def _palette_shown() -> Pixels:
    image = _palette_image()
    alpha = np.where(np.asarray(image) == 3, 0, 255).astype(np.uint8)
    return on_white(np.asarray(image.convert("RGB")), alpha)


def _grey_16() -> bytes:
    samples = _grey().astype(np.uint16) * 257
    return raw_png(320, 240, 16, 0, (row.astype(">u2").tobytes() for row in samples))


def _rgb_16() -> bytes:
    samples = photo().astype(np.uint16) * 257
    return raw_png(320, 240, 16, 2, (row.astype(">u2").tobytes() for row in samples))


def _one_bit() -> bytes:
    return png(Image.fromarray(_grey()).convert("1"))


def _one_bit_shown() -> Pixels:
    return np.asarray(Image.fromarray(_grey()).convert("1").convert("RGB"))


def _webp_alpha() -> bytes:
    return encoded(np.dstack([photo(), _alpha()]), "WEBP", quality=95, exact=True)


@cache
def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _shown_on_white() -> Pixels:
    return on_white(photo(), _alpha())


def _grey_on_white() -> Pixels:
    return on_white(_grey_shown(), _alpha())


def _black() -> Pixels:
    return np.zeros((240, 320, 3), np.uint8)


ODD: tuple[Case, ...] = (
    Case("JPEG: plain", jpeg, reference=photo),
    Case("JPEG: CMYK", _cmyk, reference=photo),
    Case("JPEG: grey", lambda: jpeg(_grey()), reference=_grey_shown),
    Case("JPEG: progressive", lambda: jpeg(progressive=True), reference=photo),
    Case("JPEG: orientation 6", _turned_6, reference=photo),
    Case("JPEG: GPS", _with_gps, reference=photo),
    Case("JPEG: ZIP behind the end", _with_zip_tail, reference=photo),
    Case("JPEG: HTML in COM", lambda: with_segment(jpeg(), segment(COM, b"<script>1</script>")), reference=photo),
    Case("JPEG: MPO", _mpo, reference=photo),
    Case("PNG: RGBA", _rgba, reference=_shown_on_white),
    Case("PNG: LA", _la, reference=_grey_on_white),
    Case("PNG: palette and tRNS", _palette, reference=_palette_shown),
    Case("PNG: 16-bit grey", _grey_16, reference=_grey_shown),
    Case("PNG: 16-bit RGB", _rgb_16, reference=photo),
    Case("PNG: 1 bit", _one_bit, reference=_one_bit_shown),
    Case("WebP: alpha", _webp_alpha, reference=_shown_on_white),
    Case("JPEG: sRGB profile", lambda: jpeg(icc_profile=_srgb()), reference=photo),
    Case("JPEG: garbage profile", lambda: jpeg(icc_profile=b"garbage" * 99), reference=photo),
    Case("HEIC", heic, reference=photo, filename="IMG_1.HEIC", content_type="image/heic"),
    Case("AVIF", avif, reference=photo, filename="leaf.avif", content_type="image/avif"),
    Case("PNG named .jpg", png, reference=photo),
    Case("JPEG: flat black", lambda: jpeg(_black()), reference=_black, flags=("low_information",)),
    Case("JPEG: no DHT", lambda: without(jpeg(), DHT), reference=photo),
    Case("JPEG: 48 MP", lambda: jpeg(photo(*_PHONE)), reference=lambda: photo(*_PHONE), is_big=True),
    Case(
        "JPEG: 48 MP, progressive",
        lambda: jpeg(photo(*_PHONE), progressive=True),
        reference=lambda: photo(*_PHONE),
        is_big=True,
    ),
    Case("HEIC: 24 MP", lambda: heic(photo(*_HEIC_24_MP)), reference=lambda: photo(*_HEIC_24_MP), is_big=True),
    Case("AVIF: 24 MP", lambda: avif(photo(*_HEIC_24_MP)), reference=lambda: photo(*_HEIC_24_MP), is_big=True),
    Case(
        "PNG: 12 MP",
        lambda: png(photo(*_12_MP), compress_level=1),
        reference=lambda: photo(*_12_MP),
        is_big=True,
    ),
)
