"""Explanations of results after a run: what every stage, term, token and sentence contributed to a document's score.

(`anyrank.pipeline.explain` says before a run what a pipeline will do and cost.)
"""

from __future__ import annotations

from .explain import explain
from .explanation import Difference, Explanation
from .values import Document, Part, Sentence, Sentences

__all__ = ["Difference", "Document", "Explanation", "Part", "Sentence", "Sentences", "explain"]
