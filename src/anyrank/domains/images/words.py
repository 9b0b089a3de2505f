"""Words that are written in pictures, read by RapidOCR (PP-OCR's models on onnxruntime, which come with its wheel)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import MissingExtra
from .folder import ReadWords

SURE = 0.6
"""The least confidence of a line that counts."""


def reader(sure: float = SURE) -> ReadWords:
    """A function that reads the words in a picture, lines that are less ``sure`` left out. Raises MissingExtra without
    RapidOCR."""
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ModuleNotFoundError as error:
        if error.name != "rapidocr_onnxruntime":
            raise
        raise MissingExtra("rapidocr-onnxruntime", "ocr") from None
    engine: Any = RapidOCR()

    def read(picture: Any) -> str:
        lines, _ = engine(np.asarray(picture)[:, :, ::-1])  # as OpenCV has it: blue first
        return " ".join(text for _, text, score in lines or () if float(score) >= sure)

    return read
