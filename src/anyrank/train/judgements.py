"""Judged collections as groups: the queries of a part, with graded documents and, from a run, unjudged ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..core.types import Candidate, Ranking
from ..io.dataset import Dataset
from ..io.qrels import Qrels
from .group import Group
from .same_text import unlike_relevant
from .triples import Texts, contents

log = logging.getLogger(__name__)


def judged(rankings: Iterable[Ranking], qrels: Qrels, documents: Texts | None = None) -> Iterator[Group]:
    """A group a query that has a relevant document: the ranking's candidates, labelled by grade (unjudged: 0), their
    scores as priors. Judged documents that the ranking lacks follow, with its lowest score, if ``documents`` has
    their texts. Candidates whose text is that of a relevant document, but which are not judged relevant themselves, are
    left out. The number of these, and of queries without a relevant document, is logged at the end.

    >>> from anyrank.core.types import Query
    >>> run = [Ranking(Query("q1", "why?"), (Candidate("d2", "no", 2.0), Candidate("d1", "so", 1.0)))]
    >>> next(judged(run, {"q1": {"d1": 2}})).labels
    (0.0, 2.0)
    """
    known, empty, same = documents or {}, 0, 0
    for ranking in rankings:
        grades = qrels.get(ranking.query.id, {})
        absent = [i for i in grades if i not in set(ranking.ids)]
        readable = [i for i in absent if i in known]
        if lost := len(absent) - len(readable):
            log.warning("query %s: %d judged documents have no text and are left out", ranking.query.id, lost)
        lowest = min(ranking.scores, default=0.0)
        candidates = (*ranking, *(Candidate(i, known[i], lowest) for i in readable))
        labels = tuple(float(max(grades.get(c.id, 0), 0)) for c in candidates)
        if max(labels, default=0.0) > 0:
            group = Group.of(ranking.query, candidates, labels)
            unlike = unlike_relevant(candidates, labels)
            same += len(candidates) - len(unlike)
            group = group if len(unlike) == len(candidates) else group.take(unlike)
            yield group if len(ranking) else replace(group, priors=())
        else:
            empty += 1
    if same:
        log.warning("%d candidates are left out: their text is that of a relevant document", same)
    if empty:
        log.warning("%d queries have no relevant document with a text and are left out", empty)


def training_part(dataset: Dataset, split: str = "train", rankings: Iterable[Ranking] | None = None) -> Iterator[Group]:
    """The ``judged`` groups of one part of a collection; ``rankings`` come from a run (``io.attach``) or a pipeline,
    without them the groups hold judged documents only. Memory holds the judged documents.

    Raises InputError if the collection has no such part.
    """
    qrels = dataset.qrels(split)
    wanted = {i for grades in qrels.values() for i in grades}
    documents = contents(c for c in dataset.documents() if c.id in wanted)
    first_stage = [Ranking(q) for q in dataset.queries(split)] if rankings is None else rankings
    yield from judged((r for r in first_stage if r.query.id in qrels), qrels, documents)
