"""The mean precision at the relevant documents that were retrieved: an average precision as the evaluation script of
"Parameter-Efficient Neural Reranking for Cross-Lingual and Multilingual Retrieval" (arXiv 2204.02292) computes it.

It is no MAP: a query's precisions are divided by the relevant documents *retrieved*, not by all relevant ones, and a
query none of whose relevant documents were retrieved is dropped from the mean, not counted as 0. So a run that finds
less can score higher. Measure ``AP`` is trec_eval's; this is for comparison with the paper's tables alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.errors import InputError, MissingExtra
from .inputs import Judgements, Qrels, Run, lists


@dataclass(frozen=True, slots=True)
class RetrievedPrecision:
    """Of a run: the ``mean`` over the ``queries`` with a relevant document retrieved, the judged queries ``dropped``
    since they have none, and all ``precisions``, one a relevant document retrieved."""

    mean: float
    queries: tuple[str, ...]
    dropped: tuple[str, ...]
    precisions: tuple[float, ...]

    def pooled_t_test(self, other: RetrievedPrecision) -> float:
        """The two-sided p of the script's test: Student's t-test, unpaired, over the precisions of all queries pooled.
        It takes them for independent, which those of one query aren't: `significance.t_test` pairs queries."""
        try:
            from scipy.stats import ttest_ind
        except ImportError as error:
            raise MissingExtra("scipy", "eval") from error
        if len(self.precisions) < 2 or len(other.precisions) < 2:
            raise InputError("the pooled t-test needs two relevant documents retrieved in each run")
        return float(ttest_ind(self.precisions, other.precisions).pvalue)


def retrieved_precision(run: Run, qrels: Qrels, relevant: int = 1) -> RetrievedPrecision:
    """The mean precision at retrieved relevant documents of a run; grades from ``relevant`` on are relevant, and
    queries that the run lacks are left out, as in the script. Raises InputError if no relevant document was retrieved.

    >>> qrels = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}}
    >>> result = retrieved_precision({"q1": ["x", "a"], "q2": ["x"]}, qrels)  # trec_eval's MAP is 0.125
    >>> result.mean, result.dropped
    (0.5, ('q2',))
    """
    ids, _ = lists(run, "run", "given")
    means, queries, dropped, every = [], [], [], []
    for query, grades in Judgements.of(qrels).grades.items():
        if query not in ids:
            continue
        precisions, seen = [], 0
        for rank, document in enumerate(ids[query], 1):
            if grades.get(document, 0) >= relevant:
                seen += 1
                precisions.append(seen / rank)
        every += precisions
        if precisions:
            queries.append(query)
            means.append(math.fsum(precisions) / len(precisions))
        else:
            dropped.append(query)
    if not means:
        raise InputError("no relevant document was retrieved for any judged query of the run: there is no mean")
    return RetrievedPrecision(math.fsum(means) / len(means), tuple(queries), tuple(dropped), tuple(every))
