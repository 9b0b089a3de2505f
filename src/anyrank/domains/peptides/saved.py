"""Files of fitted models that are one JSON object: its kind, and the values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...io.files import atomic


def write_record(path: str | PathLike[str], kind: str, values: Mapping[str, Any]) -> None:
    """Write a record. Raises InputError if the file can't be written."""
    with atomic(path) as f:
        json.dump({"kind": kind, **values}, f, indent=1)
        f.write("\n")


def read_record(path: str | PathLike[str], kind: str, command: str) -> dict[str, Any]:
    """The values of a record of this kind, which ``command`` writes. Raises InputError on any other file."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", path=path) from None
    except ValueError:
        record = None
    if not isinstance(record, dict) or record.pop("kind", None) != kind:
        raise InputError(f"not a file of '{command}'", path=path)
    return record
