"""Score tables behind the sliders: pipelines over the index or over pasted documents, computed from stored scores."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ...core.errors import InputError
from ...core.limits import Limits
from ...core.stage import Stage
from ...core.types import Candidate, Query
from ...index.collection import Collection
from ...pipeline.parser import PipelineError, parse
from ...tuning.fingerprint import version
from ...tuning.table import ScoreTable
from .stages import index_for, index_of

GIVEN = "given"
"""The stage that stands for pasted documents, in their order."""
TABLES, OPENED = 3, 1000
"""Tables that are kept, and how often one gives scores for queries before it is begun anew: a table keeps what each
query needed."""


class Unscored(InputError):
    """A result that would need a stage to be run."""


def _refuse(text: str) -> NoReturn:
    raise Unscored(f"{text} was not run yet")


@dataclass(slots=True, eq=False)
class Tables:
    """The last used score tables: of states of the index, and of pasted documents. Each stands beside what it keeps
    alive, and how often it was opened."""

    _kept: OrderedDict[Any, tuple[ScoreTable, Any, int]] = field(default_factory=OrderedDict)

    def over(
        self, collection: Collection, queries: Sequence[Query], *, run: bool, seconds: float | None = None
    ) -> ScoreTable:
        """The table of an index for some queries. Where something has no score, it is run within so many ``seconds``,
        or, without ``run``, `Unscored` is raised."""
        return _opened(self._base(version(collection), collection, None), queries, run, seconds)

    def given(
        self, text: str, documents: Sequence[Candidate], query: Query, *, run: bool, seconds: float | None = None
    ) -> tuple[ScoreTable, Stage]:
        """The table of pasted documents for a query, and the stage of a pipeline over them: it follows their run
        `GIVEN`, unless it begins with a search."""
        content = tuple((c.id, c.content) for c in documents)
        try:
            parse(text, starts=False)
            text, pasted = f"{GIVEN} >> ({text})", index_of(content)
        except PipelineError as error:
            if "needs an index" not in str(error):
                raise
            pasted = index_for(text, content)
        base = self._base((content, tuple(pasted.collection.encoded)), pasted.collection, pasted)
        table = _opened(base, [query], run, seconds)
        table.add_run(GIVEN, {query.id: [(c.id, c.score) for c in documents]})
        return table, table.stage(text)

    def _base(self, key: Any, collection: Collection, alive: Any) -> ScoreTable:
        table, alive, opened = self._kept.pop(key, (ScoreTable((), collection), alive, 0))
        if opened >= OPENED:
            table, opened = ScoreTable((), collection), 0
        self._kept[key] = table, alive, opened + 1
        while len(self._kept) > TABLES:
            self._kept.popitem(last=False)
        return table


def _opened(base: ScoreTable, queries: Sequence[Query], run: bool, seconds: float | None) -> ScoreTable:
    return base.over(queries, Limits.within(seconds) if run else Limits(), None if run else _refuse)
