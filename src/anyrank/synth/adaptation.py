"""An adaptation of a ranker to a collection without labels, which promises to do no harm.

In order: the weights of a fusion are tuned on synthetic queries; the fusion, or a pipeline given as the teacher, is
refused unless held-out lists show it better than the student; the student learns the teacher's scores of short lists;
a training whose scores collapse is refused; of the start and the averages of its weights with the trained ones the best
on held-out lists is taken; and it replaces the start only if other held-out lists show a gain with an interval above
0.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.stage import Stage
from ..hub.registry import SHIPPED
from ..io.files import atomic
from ..io.journal import Journal
from ..train.group import Group
from ..train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from ..train.teachers import judged_whole, ranking_of
from .fusion_weights import fused, text, tuned
from .harm import GATE_LEVEL, SLACK, TEACHER_LEVEL, Difference, collapse, difference, ndcg
from .student import LENGTH, average, save, weights_of

log = logging.getLogger(__name__)

SHARES = (1.0, 0.5, 0.25)
"""The shares of the trained weights in the averages that are tried."""
SHARPNESS = 1.5
"""Of the teacher's z-scores within a list, by which the student learns them: its own scores lie that far apart."""
BATCH = 16
RESULT = "adapt.json"
"""The file that a finished adaptation leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of an adaptation: ``groups`` to learn from of ``texts`` each, and held-out ``lists`` of ``depth``
    candidates, half to choose by and half for the last judgement; and the training's settings."""

    groups: int
    lists: int
    texts: int = 8
    depth: int = 20
    rate: float = 2e-5
    batch: int = 4
    seed: int = 0

    @classmethod
    def within(cls, seconds: float, pairs: float, others: int = 0, **settings: Any) -> Plan:
        """The plan for a time, where the student scores ``pairs`` of query and text a second, a training step takes as
        long as scoring four times, and ``others`` further models score each pair: a third of it for held-out lists.

        >>> Plan.within(600, 80, depth=20, texts=8).lists
        240
        """
        blank = cls(groups=0, lists=0, **settings)
        lists = 0.3 * seconds * pairs / (blank.depth * (3 + others))
        groups = 0.7 * seconds * pairs / (blank.texts * (5 + others))
        return replace(blank, groups=min(20_000, max(8, int(groups))), lists=min(400, max(8, int(lists))))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an adaptation. ``verdict``: "gained", "nothing gained" or "refused", with its ``reason``;
    ``pipeline`` is what to rank by. ``differences`` are against the start, ``share`` is that of the trained weights."""

    verdict: str
    reason: str
    pipeline: str
    weights: Mapping[str, float] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    share: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """An adaptation into a folder. ``find`` gives candidates, ``parts`` (names in pipelines, and stages) score them
    beside the student, whose name is ``start``; ``teacher``, if given, replaces their fusion. A killed one, run again
    with the same arguments, goes on where it was."""

    out: Path
    start: str
    model: Any
    parts: Mapping[str, Stage]
    plan: Plan
    settings: Mapping[str, Any]
    teacher: Stage | None = None
    teacher_name: str = ""
    first: str = "bm25 % 100"
    note: Callable[[str], None] = log.info

    def run(self, learning: Sequence[Group], lists: Mapping[str, tuple[Sequence[Group], Sequence[Group]]]) -> Outcome:
        """Adapt by groups to learn from and by held-out lists: of each set ("judged", "synthetic") those to choose by
        and those for the last judgement. The first set with lists decides. Raises InputError if there are none."""
        lists = {name: halves for name, halves in lists.items() if halves[0] and halves[1]}
        if not lists or not learning:
            raise InputError(
                f"{len(learning)} groups to learn from and {len(lists)} sets of held-out lists: too few queries find "
                "their document: index more documents (some dozens at least), or use --model or --pairs"
            )
        counts = {"groups": len(learning)}
        counts |= {f"{name} lists": len(a) + len(b) for name, (a, b) in lists.items()}
        length, self.model.max_length = self.model.max_length, min(self.model.max_length, LENGTH)
        try:
            outcome = self._adapted(learning, lists, length)
        finally:
            self.model.max_length = length
        outcome = replace(outcome, counts=counts)
        write_outcome(self.out, outcome, self.start, self.plan)
        return outcome

    def _adapted(
        self, learning: Sequence[Group], lists: Mapping[str, tuple[Sequence[Group], Sequence[Group]]], length: int
    ) -> Outcome:
        first = next(iter(lists))
        everything = [*learning, *(g for halves in lists.values() for half in halves for g in half)]
        self.note(f"scoring {sum(len(g.candidates) for g in everything):,} candidates by the student and its teachers")
        scores = self._scores(everything)

        def by(part: str, groups: Sequence[Group]) -> list[list[float]]:
            return [scores[g.id][part] for g in groups]

        names = (self.start, *self.parts)
        weights = tuned(learning, {name: by(name, learning) for name in names})
        choose, last = lists[first]

        def summed(groups: Sequence[Group]) -> list[list[float]]:
            return fused({n: by(n, groups) for n in names}, weights)

        def taught(groups: Sequence[Group]) -> list[list[float]]:
            return by("teacher", groups) if self.teacher else summed(groups)

        fusion = {"fusion": self._gain(last, by(self.start, last), summed(last))}
        described = text({in_pipeline(name): weight for name, weight in weights.items()})
        alone = described == in_pipeline(self.start)
        # it may do without training only where both halves of the held-out lists show it
        again = self._gain(choose, by(self.start, choose), summed(choose), TEACHER_LEVEL)
        shown = fusion["fusion"].gained and again.gained and not alone
        by_fusion = f"{self.first} >> {described}" if shown else self._kept
        self.note(
            f"no fusion is better than {self.start} on the synthetic queries"
            if alone
            else f"fusion {described}: nDCG@10 {fusion['fusion']} on held-out {first} queries, {again} on those to "
            "choose by" + (": it may do without any training" if shown else "")
        )
        gain = self._gain(choose, by(self.start, choose), taught(choose), TEACHER_LEVEL)
        differences = {**fusion, "teacher": gain}
        if not gain.gained:
            name = self.teacher_name or f"the fusion {described}"
            if alone and not self.teacher:
                reason = f"no fusion with {', '.join(self.parts)} is better than {self.start}, so there is no teacher"
                return Outcome("refused", reason, by_fusion, weights, differences)
            reason = f"the teacher, {name}, isn't better than {self.start} on held-out {first} queries: {gain}"
            return Outcome("refused", reason, by_fusion, weights, differences)
        before = weights_of(self.model)
        groups = [relabelled(g, row) for g, row in zip(learning, taught(learning))]
        self.note(f"training on {len(groups):,} groups")
        if problem := self._trained(groups):
            return Outcome("refused", problem, by_fusion, weights, differences)
        after = weights_of(self.model)
        if problem := collapse(by(self.start, choose), self._student(choose)):
            reason = f"the scores of the trained model collapsed: {problem}: lower --rate ({self.plan.rate:g})"
            return Outcome("refused", reason, by_fusion, weights, differences)
        share = self._share(before, after, {name: half for name, (half, _) in lists.items()}, by)
        if not share:
            reason = "no average of the trained weights with the start's is better on the lists chosen by"
            return Outcome("nothing gained", reason, by_fusion, weights, differences)
        average(self.model, before, after, share)
        gains = {n: self._gain(half, by(self.start, half), self._student(half)) for n, (_, half) in lists.items()}
        differences |= gains
        lost = [n for n, d in gains.items() if d.mean < -SLACK]
        if not gains[first].gained or lost:
            which = lost[0] if lost else first
            reason = f"on held-out {which} queries nDCG@10 {gains[which]}"
            reason += ": below the start" if lost else ": the interval isn't above 0"
            return Outcome("nothing gained", reason, by_fusion, weights, differences, share)
        self.model.max_length = length
        save(self.model, self.out)
        self._export(groups)
        reason = f"on held-out {first} queries nDCG@10 {gains[first]}"
        return Outcome("gained", reason, f"{self.first} >> {in_pipeline(str(self.out))}", weights, differences, share)

    @property
    def _kept(self) -> str:
        return f"{self.first} >> {in_pipeline(self.start)}"

    @staticmethod
    def _gain(groups: Sequence[Group], before: Any, after: Any, level: float = GATE_LEVEL) -> Difference:
        return difference(ndcg(groups, before), ndcg(groups, after), level)

    def _student(self, groups: Sequence[Group]) -> list[list[float]]:
        from ..train.validation import scores

        return scores(self.model, groups)

    def _scores(self, groups: Sequence[Group]) -> dict[str, dict[str, list[float]]]:
        """The scores of every list by the student before training, every part and the teacher, journaled."""
        self.out.mkdir(parents=True, exist_ok=True)
        stages = {**self.parts, **({"teacher": self.teacher} if self.teacher else {})}
        settings = {**self.settings, "plan": asdict(self.plan)}
        with Journal.open(self.out / "scores.journal", settings, resume=True) as journal:
            for start in range(0, len(groups), BATCH):
                batch = groups[start : start + BATCH]
                if all(g.id in journal for g in batch):
                    continue
                rows = {self.start: self._student(batch)}
                for name, stage in stages.items():
                    rows[name] = scored(batch, stage, name)
                for i, group in enumerate(batch):
                    if group.id not in journal:
                        journal.put(group.id, {name: row[i] for name, row in rows.items()})
            return {g.id: dict(journal.get(g.id)) for g in groups}

    def _trained(self, groups: Sequence[Group]) -> str:
        """Train the model; returns why that failed, or ""."""
        from ..train.divergence import Diverged
        from ..train.run import train

        steps = -(-len(groups) // self.plan.batch)
        recipe = Recipe(
            out=str(self.out / "training"),
            model=Model(kind=self.model.kind, start=self.start),
            data=Data(about="synthetic queries of the collection, scored by the teacher"),
            losses=(Loss(name="listnet"),),
            optimiser=Optimiser(rate=self.plan.rate, batch=self.plan.batch),
            check=Check(every=max(5, steps // 10)),
            export=Export(int8=False),
            seed=self.plan.seed,
        )
        try:
            train(recipe, train=groups, model=self.model, resume=True)
        except Diverged as error:
            return str(error)
        return ""

    def _share(
        self,
        before: dict[str, Any],
        after: dict[str, Any],
        lists: Mapping[str, Sequence[Group]],
        by: Callable[[str, Sequence[Group]], list[list[float]]],
    ) -> float:
        """The share of the trained weights with the highest nDCG@10, the mean over the sets; 0 if the start is best."""
        values = {0.0: float(np.mean([np.mean(ndcg(g, by(self.start, g))) for g in lists.values()]))}
        for share in SHARES:
            average(self.model, before, after, share)
            values[share] = float(np.mean([np.mean(ndcg(g, self._student(g))) for g in lists.values()]))
        self.note("; ".join(f"{share:g} of the trained weights: nDCG@10 {v:.4f}" for share, v in values.items()))
        return max(values, key=lambda share: (values[share], -share))

    def _export(self, groups: Sequence[Group]) -> None:
        """Write the int8 graph, where the kind has one and it agrees with its original."""
        from ..train.export import export, unfit

        if reason := unfit(self.model):
            self.note(f"no int8 graph is made: {reason}")
            return
        done = export(self.model, self.out, groups, Export(least=0.98), self.plan.seed)
        self.note(f"int8 graph: {done.what} {done.agreement:.4f}" + ("" if done.accepted else ", refused"))


def in_pipeline(name: str) -> str:
    """A model's name as a pipeline calls it.

    >>> in_pipeline("mini"), in_pipeline("runs/mine")
    ('mini', 'model("runs/mine")')
    """
    return name if name in (*SHIPPED, "mini") else f"model({json.dumps(name, ensure_ascii=False)})"


def scored(groups: Sequence[Group], stage: Stage, name: str) -> list[list[float]]:
    """The scores that a stage gives the candidates of groups, in their order. Raises InputError if it didn't judge all
    of them."""
    out = []
    for group, after in zip(groups, stage.batch([ranking_of(g) for g in groups])):
        values = dict(zip(after.ids, after.scores))
        if not judged_whole(after) or set(values) != set(group.ids):
            missing = "it must score the candidates that it is given: leave searches and cut-offs out"
            notes = "; ".join(after.cost.notes) or missing
            raise InputError(f"{name} didn't score all candidates of query {group.id!r}: {notes}")
        out.append([float(values[i]) for i in group.ids])
    return out


def relabelled(group: Group, scores: Sequence[float]) -> Group:
    """A group labelled by the teacher's scores: their z-scores, times `SHARPNESS`.

    >>> relabelled(Group.from_texts("q", ("a", "b"), (0.0, 1.0)), [1.0, 3.0]).labels
    (-1.5, 1.5)
    """
    row = np.asarray(scores, dtype=np.float64)
    deviation = float(row.std())
    z = (row - row.mean()) / (deviation if deviation > 1e-12 else np.inf)
    return replace(group, labels=tuple(float(v) for v in SHARPNESS * z))


def write_outcome(out: Path, outcome: Outcome, start: str, plan: Plan) -> None:
    """Write the card, and last the result, which marks the adaptation as finished."""
    out.mkdir(parents=True, exist_ok=True)
    with atomic(out / "README.md") as stream:
        stream.write(card(outcome, start, plan))
    with atomic(out / RESULT) as stream:
        stream.write(json.dumps(outcome.as_dict(), indent=1) + "\n")


def card(outcome: Outcome, start: str, plan: Plan) -> str:
    """What was done and what came of it, in Markdown."""
    lines = [f"# {start}, adapted" if outcome.verdict == "gained" else f"# {start}, not adapted", ""]
    lines += [f"**{outcome.verdict}**: {outcome.reason}.", "", f"Rank by: `{outcome.pipeline}`", ""]
    lines += ["| against the start | nDCG@10 (interval, held-out queries) |", "|---|---|"]
    lines += [f"| {name} | {d} |" for name, d in outcome.differences.items()]
    fusion = text({in_pipeline(name): w for name, w in outcome.weights.items()}) or in_pipeline(start)
    lines += ["", f"Fusion: `{fusion}`."]
    lines += [f"Rate {plan.rate:g}, {plan.batch} groups of {plan.texts} texts a step, seed {plan.seed}."]
    lines += ["Lists: " + ", ".join(f"{n} {name}" for name, n in outcome.counts.items()) + ".", ""]
    return "\n".join(lines)
