"""The pictures of a folder as documents: each an image, with a caption and the words found in it if there are any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...core.content import Image
from ...core.errors import InputError, quoted
from ...core.types import Candidate
from ...io.files import empty
from ...io.pictures import decode, pictures_in
from ...io.records import json_lines

IDS, CAPTIONS = ("id", "_id", "image", "file"), ("caption", "text")
"""The fields of a file of captions that name the picture, and that hold its caption."""

ReadWords = Callable[[Any], str]
"""A picture in RGB, as Pillow has it -> the words that are written in it."""


def documents(
    folder: str | os.PathLike[str],
    captions: Mapping[str, str] | None = None,
    read_words: ReadWords | None = None,
    on_unreadable: Callable[[InputError], None] | None = None,
) -> Iterator[Candidate]:
    """The pictures of a folder as documents; the id is the path from the folder. With ``captions`` (by id, or by the id
    without its ending) or ``read_words`` the content is a mapping of text and image, else an `Image`.

    A picture that can't be decoded, or whose name is no text, is an InputError, or left out if ``on_unreadable`` takes
    the error. Raises InputError if no picture is left.
    """
    root, readable = Path(folder).resolve(), False
    for name in pictures_in(root):
        path = str(root / name)
        try:
            if not is_unicode(path):
                raise InputError(
                    "the picture's name is not UTF-8: rename it", path=path.encode("utf-8", "replace").decode()
                )
            picture = decode(Image(path))
        except InputError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)
            continue
        readable = True
        if captions is None and read_words is None:
            yield Candidate(name, Image(path))
            continue
        known = captions or {}
        words = [known.get(name) or known.get(name.rpartition(".")[0], ""), read_words(picture) if read_words else ""]
        yield Candidate(name, {"text": " ".join(filter(None, words)), "image": path})
    if not readable:
        raise InputError("holds no picture that can be read (PNG, JPEG, GIF, WebP, BMP or TIFF)", path=folder)


def is_unicode(path: str) -> bool:
    """True if a path can be kept as text: one whose bytes are no UTF-8 can't."""
    return not any("\ud800" <= c <= "\udfff" for c in path)


def without_picture(captions: Mapping[str, str], folder: str | os.PathLike[str]) -> list[str]:
    """The ids in ``captions`` that name no picture of the folder, with their ending or without."""
    names = set(pictures_in(Path(folder).resolve()))
    known = names | {name.rpartition(".")[0] for name in names}
    return [id for id in captions if id not in known]


def read_captions(path: str) -> dict[str, str]:
    """Captions by the id of their picture, from JSON lines {"id": "cats/1.jpg", "caption": "a cat"}; several of one
    picture are joined. Raises InputError on a line without an id or a caption, and on a file without any."""
    out: dict[str, str] = {}
    for line, record in json_lines(path):
        id, caption = (next((record[n] for n in names if record.get(n)), None) for names in (IDS, CAPTIONS))
        if not isinstance(id, str) or not isinstance(caption, str):
            fields = f"{' or '.join(IDS)}, and a text in {' or '.join(CAPTIONS)}"
            raise InputError(f"expected the picture's id in {fields}, found {quoted(record)}", path=path, line=line)
        out[id] = f"{out[id]} {caption}" if id in out else caption
    if not out:
        raise empty(path, 'captions, a line {"id": "cats/1.jpg", "caption": "a cat"} each')
    return out
