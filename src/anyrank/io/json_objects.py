"""JSON objects in one array, or written over several lines each: read a piece at a time, whatever the line ends."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from ..core.errors import InputError
from .files import File, label, too_long

SEVERAL_LINES = re.compile(rb"""\s*(\[|\{\s*("([^"\\]|\\.)*"\s*:\s*[\[{]?)?[ \t\r]*\n)""")
"""The beginning of a file that is no file of one object a line: an array, or an object whose first line is open."""
_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")


class _Text:
    """The text of a file from a position on, filled as it is needed."""

    def __init__(self, source: io.BufferedReader, path: File) -> None:
        self.source, self.path = source, path
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def more(self, size: int) -> bool:
        """Read at least one more byte; False at the end of the file."""
        if self.ended:
            return False
        raw = self.source.read(size)
        self.ended = not raw
        try:
            self.text = self.text[self.at :] + self.decoder.decode(raw, final=self.ended)
        except UnicodeDecodeError as error:
            line = self.line + self.text.count("\n", self.at) + raw.count(b"\n", 0, max(error.start, 0))
            what = f"byte 0x{error.object[error.start]:02x} is not UTF-8: convert the file to UTF-8"
            raise InputError(what, path=label(self.path), line=line) from None
        self.at = 0
        return True

    def to(self, position: int) -> None:
        self.line += self.text.count("\n", self.at, position)
        self.at = position

    def next(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            assert match is not None
            self.to(match.end())
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more(_CHUNK):
                return ""


def json_objects(source: io.BufferedReader, path: File, most: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) for each object of an array or of a sequence. Raises InputError, with the line, on broken JSON, a
    value that is no object, and an object of more than ``most`` bytes."""
    text = _Text(source, path)
    array = text.next() == "["
    if array:
        text.to(text.at + 1)
    first = True
    while sign := text.next():
        if array and sign == "]":
            text.to(text.at + 1)
            if sign := text.next():
                raise _broken(text, f"{sign!r} after the array")
            return
        if array and not first:
            if sign != ",":
                raise _broken(text, f"{sign!r} between two objects of the array: expected a comma")
            text.to(text.at + 1)
            sign = text.next()
        if array and sign == "[":
            raise _broken(text, "an array within the array: expected JSON objects")
        if sign and sign != "{":
            what = "list" if array else repr(sign)
            raise InputError(f"expected a JSON object on each line, found {what}", path=label(path), line=text.line)
        yield text.line, _object(text, most)
        first = False
    if array:
        raise _broken(text, "the array has no end")


def _object(text: _Text, most: int) -> dict[str, Any]:
    """The object at the present position, which moves behind it."""
    size = _CHUNK
    while True:
        try:
            value, end = _decode(text.text, text.at)
        except json.JSONDecodeError as error:
            # Far from the end of what was read an error is one, unless a string only goes on.
            open_end = len(text.text) - error.pos < 16 or error.msg.startswith("Unterminated")
            length = len(text.text) - text.at
            if open_end and length > most:
                raise too_long(text.path, text.line, most, "object") from None
            if not open_end or not text.more(size):
                line = text.line + text.text.count("\n", text.at, error.pos)
                what = f"broken JSON: {error.msg} at column {error.colno}"
                raise InputError(what, path=label(text.path), line=line) from None
            size = min(2 * size, most + 1)
        except (ValueError, RecursionError) as error:
            raise _broken(text, str(error)) from None
        else:
            break
    if end - text.at > most:
        raise too_long(text.path, text.line, most, "object")
    if "\\ud" in (raw := text.text[text.at : end]) or "\\uD" in raw:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _broken(text, r"half a surrogate pair (\ud800 to \udfff) alone") from None
    text.to(end)
    result: dict[str, Any] = value
    return result


def _broken(text: _Text, what: str) -> InputError:
    return InputError(f"broken JSON: {what}", path=label(text.path), line=text.line)


_decode = json.JSONDecoder().raw_decode
