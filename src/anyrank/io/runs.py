"""TREC runs: ``query Q0 document rank score tag``, six columns separated by white space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..core.errors import InputError, quoted
from ..core.types import Candidate, Query, Ranking, strict
from .files import File, atomic, decode, empty, label, lines

Run = dict[str, list[tuple[str, float]]]
"""{query id: [(document id, score), …]}, best first."""

_COLUMNS = "query Q0 document rank score tag"
_SINGLE = 3.4e38  # the largest score in single precision, in which other programs read runs


def iter_run(path: File) -> Iterator[tuple[int, str, str, float]]:
    """(line, query id, document id, score) for every line of a run, in file order. Ranks and tags are ignored.

    Raises InputError on a wrong column count, or a score that isn't a finite number.
    """
    inf = math.inf
    for n, raw in lines(path):
        columns = raw.split()
        if len(columns) != 6:
            if not columns:
                continue
            message = f"expected 6 columns ({_COLUMNS}), found {len(columns)}"
            raise InputError(message, path=label(path), line=n)
        try:
            score = float(columns[4])
            query, document = columns[0].decode(), columns[2].decode()
        except UnicodeDecodeError:
            decode(raw, path, n)
            raise
        except ValueError:
            score = math.nan
        if not -inf < score < inf or b"_" in columns[4]:
            score_text = decode(raw, path, n).split()[4]
            raise InputError(f"expected a finite number as score, found {quoted(score_text)}", path=label(path), line=n)
        yield n, query, document, score


def read_run(path: File) -> Run:
    """A whole run, each query's documents by falling score; equal scores keep the order of the file.

    The rank column is ignored, as by programs that evaluate runs. Raises InputError as ``iter_run`` does, on a
    document that appears twice under one query, and on an empty file.
    """
    run: dict[str, dict[str, float]] = {}
    last, scores = None, {}
    for n, query, document, score in iter_run(path):
        if query != last:
            last, scores = query, run.setdefault(query, {})
        if document in scores:
            raise InputError(
                f"document {quoted(document)} appears twice under query {quoted(query)}", path=label(path), line=n
            )
        scores[document] = score
    if not run:
        raise empty(path, f"lines of 6 columns ({_COLUMNS})")
    return {q: sorted(scores.items(), key=lambda item: -item[1]) for q, scores in run.items()}


def write_run(path: File, rankings: Iterable[Ranking], tag: str = "anyrank") -> None:
    """A run file, whole or not at all: ranks from 1, scores strictly falling in single precision.

    Raises InputError on ids or a tag that white-space columns can't hold, on scores that aren't finite, and on a
    query that appears twice.
    """
    one_word("tag", tag)
    written: set[str] = set()
    with atomic(path) as f:
        for ranking in rankings:
            query = ranking.query.id
            one_word("query id", query)
            if query in written:
                raise InputError(f"query {quoted(query)} appears twice")
            written.add(query)
            ids, scores = ranking.ids, ranking.scores  # as columns, so that no document is read from an index
            for id, score in zip(ids, scores):
                one_word("document id", id)
                if not -_SINGLE < score < _SINGLE:
                    what = f"document {quoted(id)} of query {quoted(query)} has the score {score}"
                    raise InputError(f"{what}: a run needs finite numbers (single precision)")
            rows = enumerate(zip(ids, strict(scores)), 1)
            f.write("".join(f"{query} Q0 {i} {rank} {score:.9g} {tag}\n" for rank, (i, score) in rows))


def attach(
    run: Mapping[str, Sequence[tuple[str, float]]],
    queries: Iterable[Query],
    documents: Iterable[Candidate] | None = None,
    *,
    path: File | None = None,
) -> list[Ranking]:
    """The rankings of a run with the texts of its queries and documents, in the order of ``queries``.

    ``documents`` may be a stream, of which only the run's documents are kept; without it candidates have no content.
    Queries that the run lacks are left out. ``path`` is the run's name in errors.

    Raises InputError on a query or document of the run that isn't there.

    >>> r, = attach({"q1": [("d2", 2.0)]}, [Query("q1", "why?")], [Candidate("d1", "no"), Candidate("d2", "yes")])
    >>> r.query.content, r[0].content, r[0].score
    ('why?', 'yes', 2.0)
    """
    known = {q.id: q for q in queries}
    _all_known("query", {q: "the queries" for q in run if q not in known}, len(run), path)
    wanted = {d: q for q, results in run.items() for d, _ in results}
    pool = {d: Candidate(d) for d in wanted} if documents is None else {c.id: c for c in documents if c.id in wanted}
    missing = {d: f"the documents (query {quoted(q)} ranks it)" for d, q in wanted.items() if d not in pool}
    _all_known("document", missing, len(wanted), path)

    def candidate(id: str, score: float) -> Candidate:
        c = pool[id]
        return Candidate(c.id, c.content, score, c.meta)

    return [Ranking(q, tuple(candidate(*ds) for ds in run[i])) for i, q in known.items() if i in run]


def _all_known(kind: str, missing: Mapping[str, str], total: int, path: File | None) -> None:
    for id, where in missing.items():
        count = f"; {len(missing)} of the run's {total} are unknown" if len(missing) > 1 else ""
        raise InputError(f"unknown {kind} id {quoted(id)}: it is not among {where}{count}", path=path)


def one_word(kind: str, text: str) -> None:
    """Raises InputError on an id or a tag that white-space columns can't hold."""
    raw = text.encode()
    if raw.split() != [raw]:
        raise InputError(f"a TREC file can't hold the {kind} {quoted(text)}: expected one word without white space")
