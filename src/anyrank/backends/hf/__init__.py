"""Language models and classifiers on transformers."""

from __future__ import annotations

from typing import Any

from ...core.errors import ModelError
from ...hub.folder import Declared


def open_folder(declared: Declared, **options: Any) -> Any:
    """The language model (one that sees images too, if its configuration says so) or the classifier of a folder, a GGUF
    file or a hub id, loaded when it is first used.

    A prompt that doesn't fit a language model loses its middle and is counted as truncated (``overflow="error"`` raises
    instead), so that one long document doesn't end a long job. Raises ModelError for a model of another kind.
    """
    revision = declared.revision or None
    if declared.kind == "language":
        from .vision import Vision, has_vision_tower

        if declared.gguf is None and has_vision_tower(declared.folder):
            return Vision(declared.path, revision=revision, **options)
        from .language_model import HF

        return HF(declared.path, revision=revision, **{"overflow": "middle", **options})
    if declared.kind == "cross":
        from .classifier import SequenceClassifier

        return SequenceClassifier(declared.path, revision=revision, **options)
    raise ModelError(f"{declared.described}, not a language model or a classifier")
