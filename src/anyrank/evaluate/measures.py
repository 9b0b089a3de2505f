"""Measures by name, computed by ir_measures, one value per judged query."""

from __future__ import annotations

import ast
import difflib
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

from ..core.errors import InputError
from .inputs import Judgements, Lists, Qrels
from .support import (
    by_subtopic,
    check_judgements,
    check_parameters,
    condensed,
    failure,
    ir_measures,
    measure_name,
    parameters,
    quiet,
    substitute,
    unsupported,
)


def parse(name: Any) -> Any:
    """The ir_measures measure of a name such as ``nDCG@10``, ``RR(rel=2)@10``, ``AP`` or ``Judged@10`` (or of one of
    its measures).

    Raises InputError with near matches if there is no such measure, and with the package or the parameters that it
    needs if it can't be computed.

    >>> parse("RR(rel=2)@10")
    RR(rel=2)@10
    """
    ir = ir_measures()
    if isinstance(name, ir.Measure):
        name, kind, at, arguments = measure_name(name), type(name), None, dict(name.params)
    elif isinstance(name, str):
        kind, at, arguments = _read(name)
    else:
        raise InputError(f"a measure is a name such as nDCG@10, not a {type(name).__name__} ({name!r})")
    try:
        measure = check_parameters(kind(**({kind.AT_PARAM: at} if at is not None else {}), **arguments))
    except TypeError as error:
        raise InputError(f"measure {name!r}: {error} (it takes {parameters(kind())})") from error
    except ValueError as error:
        raise InputError(f"measure {name!r}: {error}") from error
    if reason := unsupported(measure):
        raise InputError(f"measure {name!r} can't be computed as it stands: {reason}")
    return measure


def _read(name: str) -> tuple[Any, Any, dict[str, Any]]:
    """The class of a measure's name, its cut-off (None without) and its other arguments."""
    registry = ir_measures().measures.registry
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
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"measure {name[:80]!r}: write it as nDCG@10, RR(rel=2)@10 or AP") from error
    if node.id not in registry:
        folded = {k.lower(): kind.NAME for k, kind in registry.items()}
        near = [folded[m] for m in difflib.get_close_matches(node.id.lower(), folded, 3, 0.5)]
        raise InputError(
            f"no measure {node.id!r} (in {name!r}): " + (f"did you mean {' or '.join(near)}?" if near else _KNOWN)
        )
    kind = registry[node.id]
    return type(kind), at, dict(kind.params) | arguments  # NumRelRet is NumRet(rel=1)


_KNOWN = "there are nDCG, AP, RR, R, P, Rprec, Bpref, Success, Judged and more, see ir-measur.es"


class Meter:
    """Measures bound to judgements; called with a run's lists it returns {measure: one value per judged query}.

    Only the order of the lists counts; queries that the run lacks count 0. A measure with a cut-off is given only that
    many documents, which makes deep runs cheap. Raises InputError on a measure that can't be computed by the
    judgements, or fails.
    """

    def __init__(self, names: Iterable[Any], qrels: Qrels) -> None:
        ir = ir_measures()
        self.judgements = Judgements.of(qrels)
        self.measures = {measure_name(m): m for m in map(parse, names)}
        self.queries = tuple(q for q, docs in self.judgements.grades.items() if docs)
        # Queries and documents are numbered, since some of ir_measures' programs take numbers only, others read ids as
        # C strings or split lines at white space.
        self._numbers = {q: {d: str(n) for n, d in enumerate(self.judgements.grades[q])} for q in self.queries}
        groups: dict[tuple[int | None, bool, bool], list[Any]] = {}
        self._names: dict[tuple[Any, bool], str] = {}
        for name, m in self.measures.items():
            check_judgements(m, self.judgements)
            computed = substitute(m)
            self._names[computed, condensed(m)] = name
            groups.setdefault((_depth(m), by_subtopic(m), condensed(m)), []).append(computed)
        self._plain = {
            # trec_eval takes all grades below 0 alike, and writes beside its memory at some of them
            str(i): {number: max(self.judgements.grades[q][d], -1) for d, number in self._numbers[q].items()}
            for i, q in enumerate(self.queries)
        }
        self._parts = []
        for (depth, diverse, judged_only), group in groups.items():
            grades = self._by_subtopic(ir.Qrel) if diverse else self._plain
            try:
                with quiet():
                    evaluator = ir.evaluator(group, grades)
            except Exception as error:
                raise self._failed(group, grades, error) from error
            self._parts.append((depth, judged_only, group, grades, evaluator))

    def _by_subtopic(self, row: Any) -> list[Any]:
        """The rows of judgements by subtopic, numbered."""
        names: dict[str, int] = {}
        return [
            row(str(i), self._numbers[q][d], grade, str(names.setdefault(subtopic, len(names) + 1)))
            for i, q in enumerate(self.queries)
            for d, grades in self.judgements.subtopics.get(q, {}).items()
            for subtopic, grade in grades.items()
        ]

    def __call__(self, run: Lists) -> dict[str, list[float]]:
        values = {name: [0.0] * len(self.queries) for name in self.measures}
        for depth, judged_only, group, grades, evaluator in self._parts:
            scored = dict(self._scored(run, depth, judged_only))
            try:
                for metric in evaluator.iter_calc(scored):
                    values[self._names[metric.measure, judged_only]][int(metric.query_id)] = float(metric.value)
            except Exception as error:
                raise self._failed(group, grades, error, scored) from error
        for name, column in values.items():
            if wrong := [q for q, value in zip(self.queries, column) if not math.isfinite(value)]:
                raise InputError(f"measure {name!r} has no value for query {wrong[0]!r}: it is undefined there")
        return values

    def _scored(self, run: Lists, depth: int | None, judged_only: bool) -> Iterator[tuple[str, dict[str, float]]]:
        # ir_measures takes scores, so each list gets falling ones. They are positive, since one of its measures takes
        # what was not retrieved to have the score 0.
        longest = max((len(v) for v in run.values()), default=0)
        falling = [float(longest - i) for i in range(longest)]
        for i, q in enumerate(self.queries):
            if docs := run.get(q):
                numbers = self._numbers[q]
                docs = [d for d in docs if d in numbers] if judged_only else docs
                top = itertools.islice(docs, depth)
                yield str(i), dict(zip([numbers.get(d) or f"x{n}" for n, d in enumerate(top)], falling))

    # Providers raise errors of any kind (of numpy, of a program that they call); all become one that names the measure.
    def _failed(
        self, group: list[Any], grades: Any, error: Exception, scored: dict[str, dict[str, float]] | None = None
    ) -> InputError:
        """The error of a group of measures, named after the first measure, and query, that fails alone."""
        for measure in group:
            try:
                evaluator = ir_measures().evaluator([measure], grades)
                if scored is not None:
                    list(evaluator.iter_calc(scored))
            except Exception as alone:  # noqa: BLE001
                for i, ranked in (scored or {}).items():
                    try:
                        list(evaluator.iter_calc({i: ranked}))
                    except Exception as at_query:  # noqa: BLE001
                        return failure(measure, at_query, self.queries[int(i)])
                return failure(measure, alone)
        return failure(group[0], error)


def _depth(measure: Any) -> int | None:
    """The number of top documents that the measure depends on; None if it may depend on all."""
    cut = measure.params.get("cutoff")
    return None if measure.params.get("judged_only") or not isinstance(cut, int) else cut
