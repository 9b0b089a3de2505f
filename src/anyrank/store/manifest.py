"""The manifest of a collection's folder: format, options and how far its building came."""

from __future__ import annotations

import json
import shlex
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..disk import whole_file
from .cures import rebuild
from .linked import advice, is_linked

NAME, FORMAT, KIND = "manifest.json", 2, "anyrank collection"
LATER = ("lexical", "build", "analysis")
"""Fields that manifests of older versions lack."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``documents`` and ``rows`` count those committed while building, ``last`` is the id of the last document;
    ``lexical``: whether there is a lexical index (those of older manifests without this field have one). ``build``: a
    random name of the building, by which an open collection notices that another took its place. ``analysis``: the
    edition of text analysis that the lexical index was built with; those of format 1 had the first."""

    language: str = "english"
    stop_words: bool = True
    complete: bool = False
    documents: int = 0
    rows: int = 0
    last: str = ""
    lexical: bool = True
    build: str = ""
    analysis: int = 1

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises InputError on a folder that is missing, damaged, no collection, or of a newer format."""
        path = folder / NAME
        if not path.is_file():
            if is_linked(folder):
                raise InputError(advice(folder), path=folder)
            state = "holds no collection (no manifest.json)" if folder.exists() else "does not exist"
            build = f"`anyrank index CORPUS -o {shlex.quote(str(folder))}`"
            if (folder / "rows.ids").is_file():  # a collection's own files, over which none is built
                raise InputError(f"{state}: delete {folder}, then build it again with {build}", path=folder)
            raise InputError(f"{state}: build one there with {build}", path=folder)
        cure = rebuild(folder)
        try:
            values = json.loads(path.read_text("utf-8"))
            if values["kind"] != KIND:
                raise ValueError
            format = values["format"]
            if not isinstance(format, int) or isinstance(format, bool) or format < 1:
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"isn't the manifest of an anyrank collection: if it was one, it is damaged, and then {cure}", path=path
            ) from error
        if format > FORMAT:
            raise InputError(f"format {format} is newer than this anyrank reads ({FORMAT}): upgrade anyrank", path=path)
        if "checksum" in values and values.pop("checksum") != _checksum(values):
            raise InputError(f"is damaged: its checksum is not that of what was written: {cure}", path=path)
        lacking = [n for n in cls.__slots__ if n not in values and n not in LATER]
        if lacking:
            raise InputError(f"lacks the fields {', '.join(lacking)}: {cure}", path=path)
        for field in fields(cls):
            value = values.get(field.name, field.default)
            if type(value) is not type(field.default) or (isinstance(value, int) and value < 0):
                raise InputError(
                    f"{field.name} is {value!r:.80}: expected a value such as {field.default!r}: {cure}", path=path
                )
        return cls(**{n: values[n] for n in cls.__slots__ if n in values})

    def write(self, folder: Path) -> None:
        """Atomic and durable."""
        values = {"kind": KIND, "format": min(self.analysis, FORMAT), **asdict(self)}
        write_json(folder / NAME, {**values, "checksum": _checksum(values)})


def _checksum(values: Mapping[str, Any]) -> int:
    """The checksum of a manifest's other values; manifests of older versions have none."""
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def write_json(path: Path, value: Any) -> None:
    """The value as a JSON file that is either the old one or the whole new one, whenever the machine stops."""
    with whole_file(path) as file:
        file.write(json.dumps(value, indent=1).encode())
