"""Thumbnails of the index's pictures. Which file is read is said by the index alone, never by a request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.content import Image, images_of
from ...core.errors import InputError, MissingExtra
from ...core.types import Candidate
from ...io.pictures import thumbnail

SIZE, LARGE = 160, 720
"""The longest side in pixels of a thumbnail in a list, and of the picture of one document."""


def thumbnails(documents: Sequence[Candidate], root: Path | None, size: int = SIZE) -> dict[str, str]:
    """The first picture of each document as a data: URL, by id. Those that can't be shown are left out: given by a
    URL, which is never fetched; not decodable; or files that are not below ``root``, if there is one."""
    out = {}
    for document in documents:
        try:
            (image, *_) = images_of(document.content)
            if _may_be_shown(image, root):
                out[document.id] = thumbnail(image, size)
        except (InputError, MissingExtra, ValueError):
            continue
    return out


def _may_be_shown(image: Image, root: Path | None) -> bool:
    """Whether a picture is held by the document itself, or is a file below ``root``, links followed."""
    if isinstance(image.source, bytes) or root is None:
        return True
    return Path(image.source).resolve().is_relative_to(root.resolve())
