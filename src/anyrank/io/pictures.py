"""Images decoded by Pillow: for models that see them, and as thumbnails for pages."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.content import Image
from ..core.errors import InputError, MissingExtra

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of the files that count as pictures in a folder."""


def pictures_in(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The pictures of a folder and those below it, as paths from the folder with "/", in order. Files and folders whose
    names begin with a dot are left out. Raises InputError if there is no such folder."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError("no such folder of pictures", path=folder)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.suffix.lower() in ENDINGS and not any(p.startswith(".") for p in name.parts) and path.is_file():
            yield name.as_posix()


def decode(image: Image, size: int = 0) -> Any:
    """The picture as Pillow has it, in RGB: upright, the first frame of several, on white where it is transparent. With
    a ``size`` in pixels a large JPEG is decoded at a fraction of its own, no side below that: much faster.

    Raises InputError if it can't be read or decoded, or has more pixels than Pillow takes for safe; MissingExtra
    without Pillow.
    """
    pil = _pillow()
    data = image.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a picture too large Pillow only warns
            warnings.simplefilter("ignore", DeprecationWarning)
            picture = pil.Image.open(io.BytesIO(data))
            if size:
                picture.draft(None, (size, size))
            picture.load()
            picture = _eight_bits(pil.ImageOps.exif_transpose(picture), pil)
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                colours = picture.convert("RGBA")
                white = pil.Image.new("RGBA", colours.size, "white")
                return pil.Image.alpha_composite(white, colours).convert("RGB")
            return picture.convert("RGB")
    except Exception as error:  # damaged pictures make decoders raise anything
        name = image.source if not isinstance(image.source, bytes) else None
        raise InputError(f"the picture can't be decoded: {error}", path=name) from error


def _eight_bits(picture: Any, pil: Any) -> Any:
    """A picture of one channel of more than 8 bits or of fractions as one of 8 bits: Pillow's own conversion cuts off
    what is above 255, so that all is white. 16 bits are scaled by their range, others by the greatest value unless it
    is at most 1, 255 or 65535; what is below 0, or no number, is black."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    ranges = (65535,) if picture.mode.startswith("I;16") else (*((1,) if picture.mode == "F" else ()), 255, 65535)
    top = next((r for r in ranges if values.max(initial=0) <= r), values.max(initial=0))
    return pil.Image.fromarray((values * (255 / top)).round().astype(np.uint8))


def thumbnail(image: Image, size: int = 192) -> str:
    """The picture made to fit a square of ``size`` pixels, as a data: URL of a JPEG. Raises InputError as `decode`."""
    picture = decode(image, size)
    picture.thumbnail((size, size))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _pillow() -> Any:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "PIL":
            raise
        raise MissingExtra("pillow", "images") from None
    return PIL
