"""Files that are no image of an accepted format."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import zipfile

from tests.images.corpus.cases import Case
from tests.images.corpus.images import encoded, photo
from tests.images.corpus.surgery import box

_UNSUPPORTED = "unsupported_media_type"

_SVG_SCRIPT = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="300" height="300">
<script>fetch('https://example.org/')</script><image href="file:///etc/passwd"/></svg>"""
_SVG_ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><svg xmlns="http://www.w3.org/2000/svg"><text>&c;</text></svg>"""
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n(/etc/passwd) (r) file\nshowpage\n"


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("leaf.jpg", b"\xff\xd8\xff")
    return out.getvalue()


def _gzip_bomb() -> bytes:
    """200 MB of zeros, as gzip."""
    block = gzip.compress(bytes(1 << 20), mtime=0)
    return block * 200


def _jp2() -> bytes:
    return encoded(photo(), "JPEG2000")


FOREIGN: tuple[Case, ...] = (
    Case("zero bytes", lambda: b"", "image_empty"),
    Case("one byte FF", lambda: b"\xff", _UNSUPPORTED),
    Case("64 KB of random bytes", lambda: random.Random(1).randbytes(65536), _UNSUPPORTED),
    Case("text", lambda: b"This is a leaf.\n" * 100, _UNSUPPORTED),
    Case("HTML", lambda: b"<!doctype html><script>alert(1)</script>", _UNSUPPORTED),
    Case("SVG with a script", lambda: _SVG_SCRIPT, _UNSUPPORTED),
    Case("SVG with entities", lambda: _SVG_ENTITIES, _UNSUPPORTED),
    Case("PDF", lambda: encoded(photo(), "PDF"), _UNSUPPORTED),
    Case("ZIP", _zip, _UNSUPPORTED),
    Case("gzip of 200 MB", _gzip_bomb, _UNSUPPORTED),
    Case("pickle", lambda: pickle.dumps({"leaf": [1, 2, 3]}), _UNSUPPORTED),
    Case("ELF", lambda: b"\x7fELF\x02\x01\x01" + bytes(4096), _UNSUPPORTED),
    Case("MP4", lambda: box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + box(b"mdat", bytes(999)), _UNSUPPORTED),
    Case("MVG", lambda: b"push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'\npop\n", _UNSUPPORTED),
    Case("EPS", lambda: _EPS, _UNSUPPORTED),
    Case("TIFF", lambda: encoded(photo(), "TIFF"), _UNSUPPORTED),
    Case("BMP", lambda: encoded(photo(), "BMP"), _UNSUPPORTED),
    Case("ICO", lambda: encoded(photo(256, 256), "ICO"), _UNSUPPORTED),
    Case(
        "PSD 30000 x 30000",
        lambda: b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 30000, 30000, 8, 3) + bytes(64),
        _UNSUPPORTED,
    ),
    Case("JPEG 2000", _jp2, _UNSUPPORTED),
    Case("GIF", lambda: encoded(photo(), "GIF"), _UNSUPPORTED),
    Case("PPM 99999 x 99999", lambda: b"P6\n99999 99999\n255\n" + bytes(999), _UNSUPPORTED),
    Case("FITS", lambda: b"SIMPLE  =                    T".ljust(2880), _UNSUPPORTED),
)
