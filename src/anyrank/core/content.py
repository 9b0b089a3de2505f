"""Content: what a query or document holds, and the one way to read it.

A content is a text, a mapping with a title and a text, an `Image`, or a tuple or list of such parts. `parts_of` reads
any of them as parts in order (for prompts and models that see images), `text_of` as one text.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError

_BODY_FIELDS = ("text", "content", "contents", "body")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as content: a file's path, or its bytes with their media type ("image/png").

    >>> Image("cat.jpg").media_type
    'image/jpeg'
    """

    source: str | os.PathLike[str] | bytes
    media: str = ""

    @property
    def media_type(self) -> str:
        """The stated media type, or the one that the file's name ends in; "image/png" if neither says."""
        guess = None if isinstance(self.source, bytes) else mimetypes.guess_type(str(self.source))[0]
        return self.media or guess or "image/png"

    def read(self) -> bytes:
        """The picture's bytes. Raises InputError if the file can't be read."""
        if isinstance(self.source, bytes):
            return self.source
        try:
            return Path(self.source).read_bytes()
        except OSError as error:
            raise InputError(f"the image can't be read: {error.strerror}", path=self.source) from None


Part = str | Image
"""One part of a content."""


def parts_of(content: Any) -> tuple[Part, ...]:
    """The parts of a content, in order; texts that follow each other stay apart. Empty parts are left out.

    >>> parts_of({"title": "A cat", "image": Image("cat.jpg")})
    ('A cat', Image(source='cat.jpg', media=''))
    >>> parts_of(None), parts_of(("red", "shoe")), parts_of(7)
    ((), ('red', 'shoe'), ('7',))
    """
    if isinstance(content, Image):
        return (content,)
    if isinstance(content, tuple | list):
        return tuple(part for item in content for part in parts_of(item))
    if isinstance(content, Mapping):
        image = content.get("image")
        text = text_of({k: v for k, v in content.items() if k != "image"}) if set(content) != {"image"} else ""
        return (*((text,) if text else ()), *(parts_of(image) if isinstance(image, Image) else ()))
    text = text_of(content)
    return (text,) if text else ()


def text_of(content: Any) -> str:
    """The text of a query or document: a text as it is; of a mapping its title and text (or content, contents, body),
    of one without them, and of anything else, as it prints; of None an empty one. Of several parts the texts, with
    spaces between them; an image has none.

    >>> text_of({"title": "Lift", "text": "of wings"}), text_of(7), text_of(None)
    ('Lift of wings', '7', '')
    >>> text_of(("a cat", Image("cat.jpg")))
    'a cat'
    """
    if isinstance(content, Image):
        return ""
    if isinstance(content, tuple | list) and any(isinstance(part, Image) for part in content):
        return " ".join(text for part in content if (text := text_of(part)))
    if isinstance(content, Mapping) and (named := [k for k in ("title", *_BODY_FIELDS) if k in content]):
        body = next((str(content[k]) for k in named[("title" in content) :] if content[k]), "")
        return f"{content.get('title') or ''} {body}".strip()
    return "" if content is None else str(content)
