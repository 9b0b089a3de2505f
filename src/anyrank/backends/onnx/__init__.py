"""Encoders and rerankers on onnxruntime, without torch."""

from __future__ import annotations

from typing import Any

from ...hub.folder import Declared


def open_folder(declared: Declared, **options: Any) -> Any:
    """The encoder or judge of a folder with an ONNX file; ``options`` are those of `models.open_folder`."""
    from .models import open_folder as open_onnx

    return open_onnx(declared, **options)
