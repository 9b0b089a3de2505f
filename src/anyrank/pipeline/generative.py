"""The stages over generative retrievers that have a name in pipelines."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ..core.errors import InputError, quoted
from ..core.stage import Stage
from ..hub.open import open_model
from .context import Settings
from .parts import Part


def check_no_generative(model: Any, name: str) -> None:
    """Raises InputError on a generative retriever where an encoder or a judge is needed."""
    from ..retrieve.generative import FindsDocuments

    if isinstance(model, FindsDocuments):
        raise InputError(f"{name} is a generative retriever: use it as generative({quoted(name)})")


def missing(name: str, index: Path | str = "INDEX") -> str:
    """The message of a folder that isn't there, with the command that makes it.

    >>> missing("runs/dr")
    'there is no folder runs/dr: train a model in it with `anyrank generative train INDEX -o runs/dr`'
    """
    command = f"anyrank generative train {shlex.quote(str(index))} -o {shlex.quote(name)}"
    return f"there is no folder {name}: train a model in it with `{command}`"


def _generative(settings: Settings, name: str, k: int = 100, beam: int = 100) -> Stage:
    """Search by a model that was trained on the index."""
    from ..retrieve.generative import FindsDocuments, GenerativeSearch
    from ..retrieve.ignore_self import IgnoreSelf

    if settings.collection is None:
        raise InputError("generative needs the index that its model was trained on: give one")
    if not Path(name).expanduser().exists():
        raise InputError(missing(name, settings.collection.path))
    opened = open_model(name)
    if not isinstance(opened, FindsDocuments):
        raise InputError(
            f"{name} is no generative retriever: train one with `anyrank generative train INDEX -o FOLDER`"
        )

    def search(k: int) -> GenerativeSearch:
        return GenerativeSearch(opened, settings.collection, k, beam, settings.filter)

    return IgnoreSelf(search(k + 1), k) if settings.ignore_self else search(k)


GENERATIVE = {
    "generative": Part(
        "search by a model of 'anyrank generative train', which knows the documents: generative(\"runs/dr\")",
        _generative,
        _generative,
    ),
}
