"""DSPy: a retriever (`Retriever`), as a module.

from anyrank.integrations.dspy import Retriever
search = Retriever("my.index", "bm25 % 100 >> mini", k=5)
dspy.ChainOfThought("context, question -> answer")(context=search(question).passages, question=question)
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.content import text_of
from ..core.errors import MissingExtra
from .ranked import searched

try:
    import dspy
except ModuleNotFoundError as error:
    raise MissingExtra("dspy", "dspy") from error


class Retriever(dspy.Module):  # type: ignore[misc,unused-ignore]
    """The best ``k`` documents of an index, a folder made by ``anyrank index``: a Prediction with ``passages`` (their
    texts), ``ids``, ``scores`` and ``metadata``."""

    def __init__(self, index: str, pipeline: str = "bm25", k: int = 3, filter: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.index, self.pipeline, self.k, self.filter = index, pipeline, k, filter

    def forward(self, query: str, k: int | None = None) -> Any:
        """The best documents for a query."""
        ranking = searched(self.index, query, self.pipeline, self.k if k is None else k, self.filter)
        return dspy.Prediction(
            passages=[text_of(c.content) for c in ranking],
            ids=ranking.ids,
            scores=ranking.scores,
            metadata=[dict(c.meta) for c in ranking],
        )

    async def aforward(self, query: str, k: int | None = None) -> Any:
        """The same in a thread."""
        return await asyncio.to_thread(self.forward, query, k)
