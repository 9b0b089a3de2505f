"""``explain``: runs a pipeline for one query and says what each document's score is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.content import text_of
from ..core.rerank import Rerank
from ..core.stage import Branch, Cut, Fuse, Stage, new_steps
from ..core.types import Query, Ranking
from ..pipeline.describe import name_of
from ..retrieve.stages import BM25, VectorSearch
from .answers import Answers
from .explanation import Explanation
from .inside import bare, full, inside
from .sentences import left_out
from .shares import shares
from .values import Document, Part
from .watch import Node, watched

Earlier = Callable[[str], tuple[Part, ...]]
"""The parts of the score that a candidate had before a stage."""
GIVEN = "scores as given"
"""The name of the part of candidates that came in with scores."""
TEXT = 20_000
"""Characters of a document's text in an explanation."""


def explain(
    request: Ranking | Query | str,
    stage: Stage,
    *,
    top: int = 10,
    ids: Iterable[str] = (),
    pipeline: str = "",
    sentences: bool = False,
    budget: int = 64,
    answers: Answers | None = None,
) -> Explanation:
    """What the scores of the best ``top`` documents, and of those of ``ids``, are made of.

    The stage runs once more, watched, for a query or a ranking (whose candidates it reranks if it doesn't search);
    a ranking carries nothing for it. The result's parts add up to every score, at every level.

    ``sentences``: the documents are judged again by the stages that score texts, with one sentence less at a time, at
    most ``budget`` more calls a document and stage. ``answers`` collects the texts of language models that the stage
    was built with.
    """
    origin = request if isinstance(request, Ranking) else Ranking(_query(request))
    running, root = watched(stage)
    result = running(origin)
    named = list(ids)
    work = _Explaining(sentences=sentences, budget=budget, answers=answers)
    wanted = dict.fromkeys([*result.ids[:top], *named]) if not named or top else dict.fromkeys(named)
    documents = [work.document(root, result, id) for id in wanted]
    documents.sort(key=lambda d: len(result) + 1 if d.rank is None else d.rank)
    query = origin.query
    return Explanation(
        text_of(query.content), query.id, pipeline or name_of(stage), tuple(documents), new_steps(origin, result)
    )


def _query(request: Query | str) -> Query:
    return request if isinstance(request, Query) else Query("q", request)


@dataclass
class _Explaining:
    """What is chosen for one explanation."""

    sentences: bool
    budget: int
    answers: Answers | None
    cache: dict[tuple[int, int, str, bool], Part] = field(default_factory=dict)
    counts: bool = True  # whether the parts that are made now count in a score, so that sentences are worth the calls

    def document(self, root: Node, result: Ranking, id: str) -> Document:
        rank = result.ids.index(id) + 1 if id in result.ids else None
        if rank is not None:
            candidate = result[rank - 1]
            parts = self.parts(root, 0, id, _given(root.before))
            return Document(id, rank, candidate.score, parts, text_of(candidate.content)[:TEXT])
        seen = [leaf for leaf in _leaves(root) if any(id in after.ids for _, after in leaf.results)]
        parts = tuple(replace(self.own(leaf, 0, id), contribution=0.0) for leaf in seen if not _passes(leaf, 0))
        holder = seen[-1].after if seen else root.before
        text = text_of(holder[holder.ids.index(id)].content)[:TEXT] if id in holder.ids else ""
        return Document(id, None, None, parts, text, lost(root, id))

    def parts(self, node: Node, i: int, id: str, earlier: Earlier) -> tuple[Part, ...]:
        """The parts that add up to the score of a candidate in the i-th result of a node."""
        if node.kind == "then":
            first, second = node.children
            if first.results and id not in first.results[i][1].ids:  # a later search found it itself
                return self.parts(second, i, id, lambda id: ())
            return self.parts(second, i, id, lambda id: self.parts(first, i, id, earlier))
        if node.kind == "fuse" and isinstance(node.stage, Fuse):
            return (*self.replaced(earlier, id), *self.fused(node, node.stage, i, id, earlier))
        if node.kind == "branch" and isinstance(node.stage, Branch) and i == 0:
            return self.branches(node, node.stage, id, earlier)
        if isinstance(node.stage, Cut) or _passes(node, i):
            return (*earlier(id), *self.unchanged(node, i))
        return (*self.replaced(earlier, id), self.own(node, i, id))

    def replaced(self, earlier: Earlier, id: str) -> list[Part]:
        """The parts of a score that a later stage replaced: they chose the candidates, and add nothing."""
        counted, self.counts = self.counts, False
        parts = earlier(id)
        self.counts = counted
        return [_replaced(part) for part in parts if part.name != GIVEN]

    def unchanged(self, node: Node, i: int) -> tuple[Part, ...]:
        """The part of a stage that changed no score: a rewriter, a note of scores, a fallback. None for a cut."""
        if isinstance(node.stage, Cut) or not node.results:
            return ()
        before, after = node.results[i]
        if after is before:
            return ()
        new = new_steps(before, after)
        notes = "; ".join(note for step in new for note in step.notes)
        status = next((step.status for step in new if step.status == "fallback"), "")
        note = ": ".join(filter(None, [f"{status}, scores stay" if status else "scores stay", notes]))
        return (Part(node.name, 0.0, note=note),)

    def own(self, node: Node, i: int, id: str) -> Part:
        """The part of a stage that scored the candidate itself."""
        before, after = node.results[i]
        key = (id_of(node), i, id, self.counts)
        if (known := self.cache.get(key)) is not None:
            return known
        candidate = after[after.ids.index(id)]
        parts, note = inside(node.stage, before, candidate)
        part = Part(
            node.name,
            candidate.score,
            score=candidate.score,
            rank=after.ids.index(id) + 1,
            note=note,
            parts=full(parts, candidate.score),
            answers=() if self.answers is None else self.answers.about(candidate, node.stage),
            sentences=left_out(node.stage, before, candidate, self.budget) if self.sentences and self.counts else None,
        )
        self.cache[key] = part
        return part

    def child(self, node: Node, i: int, id: str, earlier: Earlier) -> Part:
        """A part of a fusion as a part of its score; what it is made of is inside."""
        scores = node.results[i][1]
        if id not in scores.ids:
            return Part(node.name, 0.0)
        if node.kind == "leaf" and not _passes(node, i):
            return self.own(node, i, id)
        position = scores.ids.index(id)
        score = scores.scores[position]
        return Part(node.name, score, score, position + 1, parts=self.parts(node, i, id, earlier))

    def fused(self, node: Node, fuse: Fuse, i: int, id: str, earlier: Earlier) -> list[Part]:
        results = [child.results[i][1] for child in node.children]
        weights = [child.weight for child in node.children]
        own = [self.child(child, i, id, earlier) for child in node.children]
        return _shared(fuse.method, results, weights, id, node.results[i][1], own)

    def branches(self, node: Node, branch: Branch, id: str, earlier: Earlier) -> tuple[Part, ...]:
        (child,) = node.children
        if not child.results:
            return earlier(id)
        results = [after for _, after in child.results]
        own = []
        for i, (before, after) in enumerate(child.results):
            part = self.child(child, i, id, _given(before)) if id in after.ids else Part("", 0.0)
            own.append(replace(part, name=f"{child.name}: {text_of(before.query.content)[:80]}"))
        return tuple(_shared(branch.method, results, [1.0] * len(results), id, node.after, own))


def _given(ranking: Ranking) -> Earlier:
    """The scores with which a ranking came in, as parts."""

    def parts(id: str) -> tuple[Part, ...]:
        if id not in ranking.ids:
            return ()
        position = ranking.ids.index(id)
        score = ranking.scores[position]
        return (Part(GIVEN, score, score, position + 1),)

    return parts


def _shared(
    method: Any, results: Sequence[Ranking], weights: Sequence[float], id: str, fused: Ranking, own: Sequence[Part]
) -> list[Part]:
    """The parts of a fusion with what they add to its score."""
    runs = [dict(zip(r.ids, r.scores)) for r in results]
    score = fused.scores[fused.ids.index(id)]
    mine = shares(method, runs, weights, id, score)
    if mine is None:
        note = f"what it adds to {type(method).__name__} isn't known"
        return [*(replace(p, contribution=0.0, note=note) for p in own), Part(type(method).__name__, score)]
    return [
        replace(
            part,
            contribution=share.contribution,
            normalised=share.normalised,
            weight=weight,
            note="; ".join(filter(None, [part.note, share.note])),
        )
        for part, share, weight in zip(own, mine, weights)
    ]


def id_of(node: Node) -> int:
    """Tells the results of nodes; a node stays alive as long as its explanation is made."""
    return id(node.results)


def _replaced(part: Part) -> Part:
    if not part.contribution and part.normalised is None:
        return part
    note = "; ".join(filter(None, [part.note, "a later score replaced it"]))
    return replace(part, contribution=0.0, normalised=None, weight=None, note=note)


def _passes(node: Node, i: int) -> bool:
    """Whether a stage left the score of every candidate that it kept as it was."""
    if not node.results:
        return True
    if isinstance(bare(node.stage), BM25 | VectorSearch):  # a search scores anew, even if the scores are the same
        return False
    before, after = node.results[i]
    if isinstance(bare(node.stage), Rerank):  # its scores may be places, and those of before too
        new = new_steps(before, after)
        return not new or new[-1].untouched
    scores = dict(zip(before.ids, before.scores))
    return all(scores.get(id) == score for id, score in zip(after.ids, after.scores))


def _leaves(node: Node) -> list[Node]:
    if node.kind == "leaf":
        return [node] if node.results else []
    return [leaf for child in node.children for leaf in _leaves(child)]


def lost(node: Node, id: str) -> str:
    """Where a candidate was lost, in words; empty if it is in the node's result."""
    if node.results and id in node.after.ids:
        return ""
    if node.kind == "then":
        first, second = node.children
        if not (first.results and id in first.after.ids):
            return lost(first, id)
        return lost(second, id) if second.results and second.kind != "leaf" else f"dropped by {second.name}"
    if node.kind == "leaf" and node.results and id in node.before.ids:
        return f"dropped by {node.name}"
    return f"not among the {len(node.after)} results of {node.name}"
