"""PyTerrier: a reranker (`Reranker`) and a retriever (`Retriever`), as transformers of data frames.

    from anyrank.integrations.pyterrier import Reranker, Retriever
    pipeline = Retriever("my.index") % 100 >> Reranker("mini")
    pt.Experiment([pipeline], topics, qrels, ["ndcg_cut_10"])

Neither needs Java. PyTerrier's own retrievers give no text: put `pt.text.get_text(dataset)` before `Reranker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import MissingExtra
from ..core.types import Query, Ranking
from .ranked import positive, reranker, searcher, unranked

try:
    import pandas as pd
    import pyterrier as pt
except ModuleNotFoundError as error:
    raise MissingExtra("pyterrier", "pyterrier") from error


class Reranker(pt.Transformer):  # type: ignore[misc,unused-ignore]
    """Reranks each query's documents by their texts, by a pipeline or by the server at an address.

    All rows come back with all their columns, under new scores and ranks. The pipeline is given the documents in the
    order of ``rank``, else of ``score``, else of the rows, and all queries at once.
    """

    def __init__(self, pipeline: str = "mini", *, text_field: str = "text") -> None:
        self.pipeline = pipeline
        self.text_field = text_field

    def transform(self, inp: Any) -> Any:
        """Rows with qid, query, docno and the text; the result is sorted by query and rank."""
        pt.validate.result_frame(inp, extra_columns=["query", self.text_field], context=self)
        inp = inp.reset_index(drop=True)
        if inp.empty:
            return inp.assign(score=pd.Series(dtype=float), rank=pd.Series(dtype=int))
        if "rank" in inp.columns:
            inp = inp.sort_values("rank", kind="stable")
        elif "score" in inp.columns:
            inp = inp.sort_values("score", ascending=False, kind="stable")
        groups = [group for _, group in inp.groupby("qid", sort=False, dropna=False)]
        groups.sort(key=lambda group: int(group.index.min()))  # queries in the order of the rows that came
        rankings = [
            unranked(_text(g["query"].iloc[0]), [_text(t) for t in g[self.text_field]], str(n))
            for n, g in enumerate(groups)
        ]
        out = []
        for group, ranking in zip(groups, reranker(self.pipeline).batch(rankings)):
            order = [c.index for c in ranking]
            ranks = range(pt.model.FIRST_RANK, pt.model.FIRST_RANK + len(order))
            out.append(group.iloc[order].assign(score=ranking.scores, rank=list(ranks)))
        return pd.concat(out).reset_index(drop=True)

    def __repr__(self) -> str:
        return f"Reranker({self.pipeline!r})"


class Retriever(pt.Transformer):  # type: ignore[misc,unused-ignore]
    """The best documents of an index, a folder made by ``anyrank index``, with their texts and fields.

    ``filter`` keeps documents by their fields. Rows of the same query count once, and other columns of queries stay.
    """

    def __init__(
        self,
        index: str,
        pipeline: str = "bm25",
        *,
        num_results: int = 1000,
        filter: Mapping[str, Any] | None = None,
    ) -> None:
        self.index, self.pipeline, self.filter = index, pipeline, filter
        self.num_results = positive(num_results, "num_results")

    def transform(self, inp: Any) -> Any:
        """Rows with qid and query, of topics or of results."""
        pt.validate.columns(inp, includes=["qid", "query"], context=self)
        names = [c for c in inp.columns if c in set(pt.model.query_columns(inp))]
        queries = inp[names].drop_duplicates(subset="qid").to_dict("records")
        columns = [*names, "docno", "text", "score", "rank"]
        stage = searcher(self.index, self.pipeline, self.num_results, self.filter)
        rankings = stage.batch([Ranking(Query(str(n), q["query"])) for n, q in enumerate(queries)]) if queries else []
        rows = [
            {**c.meta, **query, "docno": c.id, "text": c.content, "score": c.score, "rank": rank}
            for query, ranking in zip(queries, rankings)
            for rank, c in enumerate(ranking, pt.model.FIRST_RANK)
        ]
        fields = dict.fromkeys(name for row in rows for name in row if name not in columns)
        return pd.DataFrame(rows, columns=[*columns, *fields])

    def fuse_rank_cutoff(self, k: int) -> Retriever:
        """The same with a following ``% k``, which PyTerrier then leaves out."""
        least = min(k, self.num_results)
        return Retriever(self.index, self.pipeline, num_results=least, filter=self.filter)

    def __repr__(self) -> str:
        return f"Retriever({self.index!r}, {self.pipeline!r}, num_results={self.num_results})"


def _text(value: Any) -> str:
    """A cell's text, an empty one where it is missing: such a document comes last."""
    return "" if value is None or value is pd.NA or value != value else str(value)
