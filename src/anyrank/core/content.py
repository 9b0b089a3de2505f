"""Content: what a query or document holds, and the one way to read it.

A content is a text, a mapping with a title and a text (and an image), an `Image`, a picture of Pillow, or a tuple or
list of such parts. `parts_of` reads any of them as parts in order (for prompts and models that see images), `text_of`
as one text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import mimetypes
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .errors import InputError, quoted

TEXT_FIELDS = ("text", "content", "contents", "body")
"""The fields of a mapping that may hold its text; the first one present counts. ``title`` goes before it."""

_DATA_URL = re.compile(r"data:(?P<media>image/[\w.+-]+)?(?:;[\w-]+=[^;,]*)*;base64,(?P<data>.*)", re.DOTALL)
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}
"""First bytes of the usual formats (WebP, which has a length among them, is recognised separately)."""


@runtime_checkable
class Picture(Protocol):
    """A picture in memory as Pillow has it (``PIL.Image.Image``), recognised without importing Pillow."""

    def getbands(self) -> tuple[str, ...]: ...

    def save(self, file: Any, format: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as content: a file's path, an http(s) URL, or its bytes with their media type ("image/png").

    A URL is passed on to servers that fetch it themselves; it is never fetched here.

    >>> Image("cat.jpg").media_type
    'image/jpeg'
    """

    source: str | os.PathLike[str] | bytes
    media: str = ""

    @classmethod
    def parse(cls, text: str) -> Image:
        """An image from a text, as JSON has it: a path, an http(s) URL, a data: URL, or the picture in base64.

        Raises InputError on a data: URL that holds no picture in base64.

        >>> Image.parse("data:image/png;base64,iVBORw0KGgo=")
        Image(source=b'\\x89PNG\\r\\n\\x1a\\n', media='image/png')
        >>> Image.parse("iVBORw0KGgoAAAANSUhEUgAA").media_type, Image.parse("pictures/cat.png").source
        ('image/png', 'pictures/cat.png')
        """
        if text[:5].lower() == "data:":
            match = _DATA_URL.fullmatch(text)
            data = match and _decoded(match["data"])
            if not match or not data:
                raise InputError(f"an image as a data: URL is data:image/…;base64,…, not {quoted(text[:40])}")
            return cls(data, match["media"] or "")
        # A JPEG in base64 begins with "/9j/", as a path might: so it counts only if it decodes to a picture.
        if _BASE64.fullmatch(text) and (data := _decoded(text)) and _format(data):
            return cls(data)
        return cls(text)

    @classmethod
    def of(cls, picture: Picture) -> Image:
        """The image of a picture of Pillow: its bytes as PNG, which loses nothing. Raises InputError if its mode has no
        PNG (CMYK, floats)."""
        file = io.BytesIO()
        try:
            picture.save(file, "PNG")
        except (OSError, ValueError) as error:
            raise InputError(
                f"the picture can't be written as PNG ({error}): convert it, picture.convert('RGB')"
            ) from None
        return cls(file.getvalue(), "image/png")

    @property
    def url(self) -> str:
        """The http(s) URL that the image is given by; empty for paths and bytes."""
        return self.source if isinstance(self.source, str) and _WEB_URL.match(self.source) else ""

    @property
    def media_type(self) -> str:
        """The stated media type, else what the bytes are or the file's name ends in; "image/png" if nothing says."""
        if isinstance(self.source, bytes):
            return self.media or _format(self.source) or "image/png"
        return self.media or mimetypes.guess_type(str(self.source))[0] or "image/png"

    def read(self) -> bytes:
        """The picture's bytes. Raises InputError for a URL and for a file that can't be read or is no picture."""
        if isinstance(self.source, bytes):
            return self.source
        if self.url:
            raise InputError(f"the image {self.url} is given by its URL, which is not fetched: load it, or name a file")
        try:
            data = Path(self.source).read_bytes()
        except (OSError, ValueError) as error:
            raise InputError(
                f"the image can't be read: {getattr(error, 'strerror', error)}", path=self.source
            ) from None
        if not _format(data):
            # Paths may come from data: no other file is to end up in a prompt.
            raise InputError("not a picture (PNG, JPEG, GIF, WebP, BMP or TIFF)", path=self.source)
        return data

    def as_url(self) -> str:
        """The image as one URL: its own, or its bytes as a data: URL. Raises InputError as `read`."""
        if self.url:
            return self.url
        data = self.read()
        media = self.media or _format(data) or self.media_type
        return f"data:{media};base64,{base64.b64encode(data).decode()}"

    def digest(self) -> str:
        """A fingerprint of what is shown: of the bytes, or of the URL."""
        return hashlib.sha256(self.url.encode() or self.read()).hexdigest()


def _decoded(text: str) -> bytes:
    """The bytes of a base64 text; none if it isn't one."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _format(data: bytes) -> str:
    """The media type of a picture by its first bytes; empty if they are no picture's."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media for magic, media in _MAGIC.items() if data.startswith(magic)), "")


Part = str | Image
"""One part of a content."""


def parts_of(content: Any) -> tuple[Part, ...]:
    """The parts of a content, in order; texts that follow each other stay apart. Empty parts are left out. The
    ``image`` of a mapping may be a path, a URL, a data: URL, base64, bytes or a picture of Pillow, or a list of these,
    and goes after its text.

    >>> parts_of({"title": "A cat", "image": "cat.jpg"})
    ('A cat', Image(source='cat.jpg', media=''))
    >>> parts_of(None), parts_of(("red", "shoe")), parts_of(7)
    ((), ('red', 'shoe'), ('7',))
    """
    if isinstance(content, Image):
        return (content,)
    if isinstance(content, tuple | list):
        return tuple(part for item in content for part in parts_of(item))
    if not isinstance(content, str | Mapping) and isinstance(content, Picture):
        return (Image.of(content),)
    images: tuple[Image, ...] = ()
    if isinstance(content, Mapping) and (images := _images(content.get("image"))):
        content = {name: value for name, value in content.items() if name != "image"} or None
    text = _text(content)
    return (*((text,) if text else ()), *images)


def _images(value: Any) -> tuple[Image, ...]:
    """The images of a mapping's field; none if it is of another kind."""
    match value:
        case Image():
            return (value,)
        case str() if value:
            return (Image.parse(value),)
        case bytes() | os.PathLike():
            return (Image(value),)
        case tuple() | list():
            return tuple(image for item in value for image in _images(item))
        case Picture():
            return (Image.of(value),)
    return ()


def _text(content: Any) -> str:
    """The text of a content that is neither an image nor of parts."""
    if isinstance(content, Mapping) and (named := [k for k in ("title", *TEXT_FIELDS) if k in content]):
        body = next((str(content[k]) for k in named[("title" in content) :] if content[k]), "")
        return f"{content.get('title') or ''} {body}".strip()
    return "" if content is None else str(content)


def text_of(content: Any) -> str:
    """The text of a query or document: a text as it is; of a mapping its title and text (or content, contents, body),
    of one without them, and of anything else, as it prints; of None an empty one. Of several parts the texts, with
    spaces between them; an image has none.

    >>> text_of({"title": "Lift", "text": "of wings"}), text_of(7), text_of(None)
    ('Lift of wings', '7', '')
    >>> text_of(("a cat", Image("cat.jpg"))), text_of({"image": "cat.jpg"})
    ('a cat', '')
    """
    return content if isinstance(content, str) else " ".join(p for p in parts_of(content) if isinstance(p, str))


_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters without a shape (fillers, the blank of braille), which Unicode doesn't count as white space."""


def is_blank(content: Any) -> bool:
    """Whether a content is there and holds nothing: a text of white space and invisible characters alone, a mapping or
    sequence of such parts, or a missing value of a table (NaN). None is not blank but unknown.

    >>> is_blank(" \u200b"), is_blank({"title": "", "text": None}), is_blank(None), is_blank({"image": "cat.jpg"})
    (True, True, False, False)
    """
    if isinstance(content, str):
        return not any(c.isprintable() and not c.isspace() and c not in _INVISIBLE for c in content)
    if isinstance(content, Mapping):
        fields = [k for k in ("title", *TEXT_FIELDS, "image") if k in content] or list(content)
        return all(content[k] is None or is_blank(content[k]) for k in fields)
    if isinstance(content, tuple | list):
        return all(part is None or is_blank(part) for part in content)
    return isinstance(content, float) and content != content


def images_of(content: Any) -> tuple[Image, ...]:
    """The images among a content's parts.

    >>> images_of(("a cat", Image("cat.jpg")))
    (Image(source='cat.jpg', media=''),)
    """
    return () if isinstance(content, str) else tuple(p for p in parts_of(content) if isinstance(p, Image))


def required_text(content: Any, owner: str) -> str:
    """`text_of` a content, for models that read texts alone. Raises InputError, which names the ``owner`` ("candidate
    'd1'"), if there is no content, bytes, or images without a text.

    >>> required_text({"title": "Lift", "text": "of wings"}, "candidate 'd1'")
    'Lift of wings'
    """
    if content is None:
        raise InputError(f"{owner} has no text to score: load the texts first")
    if isinstance(content, bytes | bytearray | memoryview):
        raise InputError(f"{owner} holds {type(content).__name__}, not text: decode them")
    text = text_of(content)
    if not text and images_of(content):
        raise InputError(f"{owner} holds an image and no text: choose a model that reads images, or give it a text")
    return text


def joined(parts: Iterable[Part]) -> str | tuple[Part, ...]:
    """Parts put together without anything between them: neighbouring texts become one, empty ones go; one text if
    there is no image.

    >>> joined(["a ", "", "cat"]), joined(["a ", "cat", Image("cat.jpg"), "."])
    ('a cat', ('a cat', Image(source='cat.jpg', media=''), '.'))
    """
    out: list[Part] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part:
            out.append(part)
    if any(isinstance(part, Image) for part in out):
        return tuple(out)
    return out[0] if out and isinstance(out[0], str) else ""
