"""Measures by name, computed by ir_measures, one value per judged query."""

from __future__ import annotations

import ast
import difflib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, MissingExtra
from ..core.types import Ranking

Qrels = Mapping[str, Mapping[str, int]]
"""Grades by query id and document id."""
Run = Iterable[Ranking] | Mapping[str, Mapping[str, float]]
"""Rankings, or scores by query id and document id."""
Ties = Literal["given", "trec_eval"]
Lists = dict[str, list[str]]
"""Document ids by query id, best first."""


def lists(run: Run, name: str = "run", ties: Ties = "given") -> tuple[Lists, int]:
    """A run as lists of ids, best first, and the number of queries with tied scores.

    Rankings keep their order and scores are sorted, ties in the order given; ``ties="trec_eval"`` sorts both as that
    program does: by single-precision score, ties by id from Z to A.
    Raises InputError on a score that is not a finite number and on a query that appears twice.

    >>> lists({"q1": {"a": 1.0, "b": 2.0, "c": 1.0}})
    ({'q1': ['b', 'a', 'c']}, 1)
    >>> lists({"q1": {"a": 1.0, "b": 2.0, "c": 1.0}}, ties="trec_eval")
    ({'q1': ['b', 'c', 'a']}, 1)
    """
    if ties not in get_args(Ties):
        raise InputError(f"ties={ties!r}: choose given or trec_eval")
    out: Lists = {}
    tied = 0
    if isinstance(run, Mapping):
        for q, docs in run.items():
            out[str(q)], has_ties = _sorted(list(docs), list(docs.values()), ties, f"run {name!r}, query {q!r}")
            tied += has_ties
        return out, tied
    for r in run:
        if r.query.id in out:
            raise InputError(
                f"query {r.query.id!r} appears twice in the run {name!r}: give each query an id of its own"
            )
        out[r.query.id] = ids = [c.id for c in r.candidates]
        if ties == "trec_eval":
            out[r.query.id], has_ties = _sorted(ids, r.scores, ties, f"run {name!r}, query {r.query.id!r}")
            tied += has_ties
    return out, tied


def _sorted(ids: list[str], values: list[float], ties: Ties, owner: str) -> tuple[list[str], bool]:
    scores: NDArray[Any] = np.array(values, dtype=np.float64 if ties == "given" else np.float32)
    if not np.isfinite(scores).all():
        i = next(i for i, s in enumerate(scores) if not math.isfinite(s))
        raise InputError(f"{owner}: the score of {ids[i]!r} is {values[i]}, not a finite number")
    order = np.argsort(np.negative(scores), kind="stable")
    tied = bool((np.diff(scores[order]) == 0).any())
    if tied and ties == "trec_eval":
        by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=True))
        order = by_id[np.argsort(np.negative(scores[by_id]), kind="stable")]
    return [ids[i] for i in order], tied


def parse(name: str) -> Any:
    """The ir_measures measure of a name such as ``nDCG@10``, ``RR(rel=2)@10``, ``AP`` or ``Judged@10``.

    Raises InputError with near matches if there is no such measure.

    >>> parse("RR(rel=2)@10")
    RR(rel=2)@10
    """
    ir = _ir_measures()
    registry = ir.measures.registry
    try:
        node = ast.parse(name.strip(), mode="eval").body
        at = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            at, node = ast.literal_eval(node.right), node.left
        arguments: dict[str, Any] = {}
        if isinstance(node, ast.Call) and not node.args:
            arguments = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            node = node.func
        if not isinstance(node, ast.Name):
            raise SyntaxError("expected a name")
    except (SyntaxError, ValueError) as error:
        raise InputError(f"measure {name!r}: write it as nDCG@10, RR(rel=2)@10 or AP") from error
    if node.id not in registry:
        folded = {k.lower(): kind.NAME for k, kind in registry.items()}
        near = [folded[m] for m in difflib.get_close_matches(node.id.lower(), folded, 3, 0.5)]
        raise InputError(
            f"no measure {node.id!r} (in {name!r}): " + (f"did you mean {' or '.join(near)}?" if near else _KNOWN)
        )
    kind = registry[node.id]
    try:
        measure = kind(**({kind.AT_PARAM: at} if at is not None else {}), **arguments)
        measure.validate_params()
        if at is not None and at < 1:
            raise ValueError(f"a cut-off is at least 1, not {at}")
    except (AssertionError, TypeError, ValueError) as error:
        takes = ", ".join(kind.SUPPORTED_PARAMS) or "no parameters"
        raise InputError(f"measure {name!r}: {error} ({node.id} takes {takes})") from error
    if not ir.DefaultPipeline.supports(measure):
        raise InputError(f"measure {name!r}: no installed package computes it, see ir_measures' list of providers")
    return measure


_KNOWN = "there are nDCG, AP, RR, R, P, Rprec, Bpref, Success, Judged and more, see ir-measur.es"


class Meter:
    """Measures bound to judgements; called with a run's lists it returns {measure: one value per judged query}.

    Only the order of the lists counts; queries that the run lacks count 0. A measure with a cut-off is given only that
    many documents, which makes deep runs cheap.
    """

    def __init__(self, names: Iterable[str], qrels: Qrels) -> None:
        ir = _ir_measures()
        self.measures = {str(m): m for m in map(parse, names)}
        self.queries = tuple(q for q, docs in qrels.items() if docs)
        by_depth: dict[int | None, list[Any]] = {}
        for m in self.measures.values():
            by_depth.setdefault(_depth(m), []).append(m)
        plain = {q: dict(qrels[q]) for q in self.queries}
        self._parts = [(depth, ir.evaluator(group, plain)) for depth, group in by_depth.items()]
        self._position = {q: i for i, q in enumerate(self.queries)}

    def __call__(self, run: Lists) -> dict[str, list[float]]:
        values = {name: [0.0] * len(self.queries) for name in self.measures}
        for depth, evaluator in self._parts:
            for metric in evaluator.iter_calc(dict(self._scored(run, depth))):
                values[str(metric.measure)][self._position[metric.query_id]] = float(metric.value)
        return values

    def _scored(self, run: Lists, depth: int | None) -> Iterator[tuple[str, dict[str, float]]]:
        # ir_measures takes scores, so each list gets falling ones, made once for the longest list.
        falling = [float(-i) for i in range(max((len(v) for v in run.values()), default=0))]
        for q in self.queries:
            if docs := run.get(q):
                yield q, dict(zip(itertools.islice(docs, depth), falling))


def _depth(measure: Any) -> int | None:
    """The number of top documents that the measure depends on; None if it may depend on all."""
    cut = measure.params.get("cutoff")
    return None if measure.params.get("judged_only") or not isinstance(cut, int) else cut


def _ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir-measures", extra="eval") from error
    return ir_measures
