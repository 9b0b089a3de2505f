"""The summands inside a stage's own score: terms of BM25 and of sparse vectors, pairs of tokens of late interaction,
and what a judge says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.content import is_blank, text_of
from ..core.rerank import ExplainsScores, Rerank
from ..core.stage import Stage
from ..core.types import Candidate, Ranking
from ..index.base import Stored
from ..index.collection import Collection
from ..judges.similarity import Similarity
from ..pipeline.named import Named
from ..retrieve import rewritten
from ..retrieve.ignore_self import IgnoreSelf
from ..retrieve.stages import BM25, VectorSearch
from ..vectors import Encoder, NamesTerms, NamesTokens, Sparse, Tokens, Vectors
from .values import Part, added, whole


def bare(stage: Stage) -> Stage:
    """The stage that runs, without its name."""
    while isinstance(stage, Named | IgnoreSelf):
        stage = stage.stage
    return stage


def inside(stage: Stage, before: Ranking, candidate: Candidate) -> tuple[tuple[Part, ...], str]:
    """The summands of the score that a stage gave a candidate of its result, and a note. Both are empty where the
    stage is a black box; ``before`` is the ranking that the stage was given."""
    stage, query = bare(stage), before.query
    if isinstance(stage, BM25):
        if rewritten.queries(query) is not None and rewritten.terms(query) is None:
            return (), "several texts were searched, and their results fused"
        return _lexical(stage, before, candidate), ""
    if isinstance(stage, VectorSearch):
        if rewritten.queries(query) is not None:
            return (), "several texts were searched, and their results fused"
        vector = rewritten.encode([before], stage.encoder, stage.index).vectors
        stored = stage.index if isinstance(stage.index, Stored) else None
        return _vectors(stage.encoder, stored, vector, rewritten.searched(query), candidate)
    if isinstance(stage, Rerank):
        return _judged(stage, before, candidate)
    return (), ""


def _judged(stage: Rerank, before: Ranking, candidate: Candidate) -> tuple[tuple[Part, ...], str]:
    if stage.depth is not None and candidate.id not in before.ids[: stage.depth]:
        return (), f"not judged, since it was below the first {stage.depth}: it keeps its place"
    if is_blank(candidate.content):
        return (), "it has no content, so it comes last"
    judge: Any = stage.judge
    if isinstance(judge, ExplainsScores):
        return _by_judge(judge, stage, before, candidate)
    encoder = judge.encoder if isinstance(judge, Similarity) else judge
    if not isinstance(encoder, Encoder):
        return (), ""
    stored = judge.store if isinstance(judge, Similarity) and candidate.index is None else None
    content = before.query.content
    return _vectors(encoder, stored, encoder.encode([content], query=True).vectors, content, candidate)


def _by_judge(
    judge: ExplainsScores, stage: Rerank, before: Ranking, candidate: Candidate
) -> tuple[tuple[Part, ...], str]:
    """The summands that a judge names, if it scored the candidate once, in one known group: alone, or with all."""
    members = list(before[: stage.depth])
    groups = next(stage.grouping(len(members)))
    position = before.ids.index(candidate.id)
    group = next((g for g in groups if position in g), None)
    if group is None or (len(group) not in (1, len(members))):
        return (), ""
    summands = judge.summands((before.query, [members[i] for i in group]))[list(group).index(position)]
    parts = tuple(Part(text, value, span=span) for text, value, span in summands)
    if parts and abs((total := added(parts)) - candidate.score) > 1e-2 * max(abs(total), abs(candidate.score)):
        # An order's scores are places, and what the judge scored is beside them.
        return (Part("place in the order", candidate.score), Part("the judge's score", 0.0, total, parts=parts)), ""
    return parts, ""


def _lexical(stage: BM25, before: Ranking, candidate: Candidate) -> tuple[Part, ...]:
    index = stage.lexical.lexical if isinstance(stage.lexical, Collection) else stage.lexical
    terms = rewritten.terms(before.query)
    query = text_of(rewritten.searched(before.query)) if terms is None else terms
    found = index.summands(query, candidate.id, stage.settings)
    parts = [Part(s.term, s.value, weight=s.weight, note=f"in {s.documents:,} documents") for s in found]
    return tuple(sorted(parts, key=lambda part: -part.contribution))


def _vectors(
    encoder: Encoder, stored: Stored | None, query: Vectors, content: Any, candidate: Candidate
) -> tuple[tuple[Part, ...], str]:
    """The summands of the nearness of a query's vector to a candidate's."""
    if query.kind not in ("sparse", "tokens"):
        return (), "one vector a text: no parts"
    document = None
    if stored is not None:
        document = stored.vectors([candidate.id])[1]
    if document is None or document.kind != query.kind:
        document = encoder.encode([candidate.content]).vectors
    if isinstance(query, Sparse) and isinstance(document, Sparse):
        return _terms(encoder, query, document), ""
    if isinstance(query, Tokens) and isinstance(document, Tokens):
        return _pairs(encoder, query, document, content, candidate.content), ""
    return (), ""


def _terms(encoder: Encoder, query: Sparse, document: Sparse) -> tuple[Part, ...]:
    """Of sparse vectors: the terms that both have, the weights multiplied."""
    mine, theirs = query.row(0), document.row(0)
    common = [number for number in mine if number in theirs]
    names = encoder.term_names(common) if isinstance(encoder, NamesTerms) else [f"term {n}" for n in common]
    parts = [Part(name, mine[n] * theirs[n], score=theirs[n], weight=mine[n]) for name, n in zip(names, common)]
    return tuple(sorted(parts, key=lambda part: -part.contribution))


def _pairs(encoder: Encoder, query: Tokens, document: Tokens, asked: Any, content: Any) -> tuple[Part, ...]:
    """Of late interaction: each token of the query with the most similar token of the document, in the query's order;
    and the product of the means, if the model has them."""
    mine = _tokens(encoder, asked, len(query.states), query=True)
    theirs = _tokens(encoder, content, len(document.states), query=False)
    weights = np.ones(len(query.states)) if query.weights is None else query.weights
    parts = []
    if len(document.states):
        products = query.states.astype(np.float64) @ np.asarray(document.states, dtype=np.float64).T
        for row, (text, _), weight in zip(products, mine, weights.tolist()):
            best = int(row.argmax())
            match, span = theirs[best]
            similarity = float(row[best])
            parts.append(Part(text, weight * similarity, similarity, weight=weight, match=match, span=span))
    if query.means is not None and document.means is not None:
        mean = float(query.means[0].astype(np.float64) @ document.means[0].astype(np.float64))
        parts.append(Part("means of all tokens", mean))
    return tuple(parts)


def _tokens(encoder: Encoder, content: Any, n: int, *, query: bool) -> list[tuple[str, tuple[int, int]]]:
    """The tokens of a text with their places, one for each of ``n`` states; numbered ones where the model can't name
    them."""
    if isinstance(encoder, NamesTokens):
        named = encoder.tokens(content, query=query)
        if len(named) == n:
            return [(token, (start, end)) for token, start, end in named]
    return [(f"token {i}", (0, 0)) for i in range(n)]


def full(parts: Sequence[Part], score: float) -> tuple[Part, ...]:
    """Parts that add up to the score; none if there are none."""
    return whole(parts, score) if parts else ()
