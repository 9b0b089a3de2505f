"""The folder of a trained generative retriever: its model, and the documents of the index that it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import ModelError
from ..base import DECLARATION, declare
from .atomic import AtomicMemory
from .base import Trained
from .sequence import SequenceMemory

KIND = "generative"
SETTINGS, ROWS = "generative.json", "documents.npy"
FORMS: dict[str, Any] = {"atomic": AtomicMemory, "sequence": SequenceMemory}


def save(model: Trained, folder: Path, **how: Any) -> None:
    """Write a model, its documents, ``how`` it was trained, and at last anyrank.json, by which the folder counts as a
    model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DECLARATION).unlink(missing_ok=True)
    model.memory.save(folder)
    np.save(folder / ROWS, model.rows)
    form = next(name for name, kind in FORMS.items() if isinstance(model.memory, kind))
    settings = {"form": form, "index": model.path, "build": model.build, **how}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    declare(folder, KIND)


def load(folder: Path, name: str = "") -> Trained:
    """The model of a folder and its documents. Raises ModelError if a file is missing or damaged."""
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        rows = np.load(folder / ROWS)
        memory = FORMS[settings["form"]].from_folder(folder).eval().requires_grad_(False)
        build, path = str(settings["build"]), str(settings["index"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        cure = "train it again with `anyrank generative train`"
        raise ModelError(f"{folder}: can't be loaded ({' '.join(str(error).split())[:300]}): {cure}") from error
    if len(rows) != memory.documents:
        raise ModelError(f"{folder}: {len(rows)} rows and a model of {memory.documents} documents: train it again")
    return Trained(name or str(folder), memory, build, rows, path)
