"""Commands that mend what is damaged, with the choices that were made when it was built."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .vector_names import META, encode_command, model_of


def rebuild(folder: Path) -> str:
    """The cure for documents and their lexical index: a new build in the same language, after which vectors, which it
    removes, are encoded again."""
    command = f"anyrank index CORPUS -o {shlex.quote(str(folder))} --overwrite{_language(folder)}"
    cure = f"build the index again with `{command}`"
    if commands := [f"`{_encode(p.parent)}`" for p in sorted((folder / "vectors").glob(f"*/{META}"))]:
        cure += f", then its vectors, which that removes, with {', '.join(commands)}"
    return cure


def index_options(index: str, options: Mapping[str, Any]) -> str:
    """The options of ``anyrank index --encode`` that choose an index.

    >>> index_options("plaid", {"bits": 2, "pool": 1})
    '--vector-index plaid --set bits=2 --set pool=1'
    """
    values = [f"--set {shlex.quote(f'{name}={value}')}" for name, value in options.items()]
    return " ".join([f"--vector-index {shlex.quote(index)}", *values])


def _encode(folder: Path) -> str:
    """The command that makes the vectors in a folder, by the index that searches them."""
    command, meta = encode_command(folder.parent.parent, model_of(folder.name)), _values(folder / META)
    index, options = meta.get("index"), meta.get("options", {})
    if isinstance(index, str) and isinstance(options, dict):
        command += f" {index_options(index, options)}"
    return command


def _language(folder: Path) -> str:
    """The options of ``anyrank index`` that choose the analysis of words, as far as the manifest can be read."""
    values = _values(folder / "manifest.json")
    language = values.get("language", "english")
    out = f" --language {shlex.quote(language)}" if isinstance(language, str) and language != "english" else ""
    return out + (" --no-stop-words" if values.get("stop_words") is False else "")


def _values(path: Path) -> dict[str, Any]:
    """The members of a JSON object; none if it can't be read."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
