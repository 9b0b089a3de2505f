"""`train`: from a recipe to a folder with the trained model, its card, its int8 graph and what was measured."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..core.errors import InputError, ModelError
from ..evaluate.evaluation import Evaluation, evaluate
from ..io.files import atomic
from ..io.qrels import Qrels, read_qrels
from ..models import model_class
from .batches import Collate, cut
from .card import card
from .curriculum import Curriculum as Weights
from .export import Exported, export, unfit
from .group import Group
from .language_model import LanguageObjective, Listwise, separator
from .loop import Loop, Score, last_checkpoint
from .negatives import DrawFn
from .objective import LossFn, Objective, Weigh
from .recipe import Curriculum, Model, Recipe
from .sources import read_sources
from .validation import Validation, scores

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gave: the model, its folder, its effect on the validation groups (the first stage's order where
    groups have priors, the model before and after), and the check of its int8 graph."""

    model: Any
    folder: Path
    effect: Evaluation | None
    exported: Exported | None


def train(
    recipe: Recipe,
    *,
    train: Sequence[Group] | None = None,
    valid: Sequence[Group] | None = None,
    qrels: Qrels | None = None,
    model: Any = None,
    losses: Sequence[tuple[float, LossFn]] = (),
    weigh: Weigh | None = None,
    draw: DrawFn | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """The training of a recipe. Groups, judgements, a model of `anyrank.models` and losses with their weights may be
    given in place of what the recipe names; ``weigh`` is a curriculum of one's own, ``draw`` (group, epoch) takes from
    each group what an epoch trains on.

    A killed training goes on with ``resume`` from its last checkpoint, to the same weights, bit for bit, as one that
    never stopped (same machine, threads and package versions).
    Raises InputError where the data, names or folders don't fit.
    """
    import torch
    from transformers import set_seed

    folder = Path(recipe.out)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    groups = cut(read_sources(recipe.data.train) if train is None else train, recipe.data.texts)
    if not groups:
        raise InputError("nothing to train on: data.train names no file, and no groups are given")
    judged = read_sources(recipe.data.valid) if valid is None else valid
    judged = [g if g.id else replace(g, id=f"q{place}") for place, g in enumerate(judged)]
    if recipe.check.patience and not judged:
        raise InputError("check.patience needs validation groups: data.valid names no file, and none are given")
    if qrels is None and recipe.data.qrels:
        qrels = read_qrels(recipe.data.qrels)
    validation = Validation(judged, recipe.check.measures, qrels) if judged else None
    draw = draw or drawing(recipe, groups)
    _claim(folder, recipe, groups, judged, qrels or {}, resume)
    set_seed(recipe.seed)
    subject = _subject(recipe, groups, model, losses, weigh, draw)
    before = subject.score(judged) if judged else []
    loop = Loop(
        subject.module, recipe, groups, subject.collate, subject.objective, validation, subject.score, progress, draw
    )
    loop.run(resume)
    model, effect = subject.model, None
    if validation:
        runs = {"before": before, "after": subject.score(judged)}
        if all(g.priors for g in judged):
            runs = {"first stage": [list(g.priors) for g in judged], **runs}
        effect = evaluate({n: validation.run(s) for n, s in runs.items()}, validation.judged, validation.measures)
    model.save(folder)
    exported = None
    if recipe.export.int8 and (reason := unfit(model)):
        log.info("no int8 graph is made: %s", reason)
    elif recipe.export.int8:
        exported = export(model, folder, groups, recipe.export, recipe.seed)
    said = card(recipe, subject.module, model, groups, effect, exported, subject.losses)
    (folder / "README.md").write_text(said, encoding="utf-8")
    return Trained(model, folder, effect, exported)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a loop needs of a model: the module, batches, the objective (and its ``losses`` in words), and scores."""

    model: Any
    module: Any
    collate: Any
    objective: Any
    score: Score
    losses: str


def _subject(
    recipe: Recipe, groups: Sequence[Group], model: Any, losses: Any, weigh: Weigh | None, draw: DrawFn | None
) -> _Subject:
    bf16 = recipe.optimiser.bf16
    if recipe.model.kind == "language":
        if losses or weigh:
            raise InputError("a language model's losses are those of its recipe, and it takes no curriculum")
        spec = recipe.language
        named(spec.rank_loss)
        listwise = Listwise.load(recipe) if model is None else model
        mark = separator(listwise.tokenizer, spec.labels) if spec.importance else -1
        score = partial(listwise.scores, bf16=bf16)
        lowered = LanguageObjective(spec, mark)
        return _Subject(listwise, listwise.model, listwise.collate, lowered, score, str(spec))
    model = build(recipe.model) if model is None else model
    given = tuple(losses) or table(recipe)
    said = [(w, getattr(loss, "__name__", repr(loss))) for w, loss in losses]
    said = said or [(x.weight, f"{x.name} {dict(x.options) or ''}".strip()) for x in recipe.losses]
    words = " + ".join(f"{weight:g} {name}" for weight, name in said)
    if weigh or recipe.curriculum.difficulty != "none":
        words += "; a curriculum given in Python" if weigh else f"; {recipe.curriculum}"
    if draw:
        words += (
            f"; negatives drawn each epoch: {recipe.data.draw if recipe.data.draw.negatives else 'as given in Python'}"
        )
    weigh = weigh or weighing(recipe.curriculum, groups)
    objective = Objective(given, weigh, recipe.curriculum.by_group)
    first = groups if draw is None else (draw(g, 0) for g in groups)
    if not getattr(model, "in_batch", False) and not any(map(objective.compares, first)):
        raise InputError(f"{words}: nothing to compare in any group: give groups texts with different labels")
    return _Subject(model, model, Collate(model), objective, partial(scores, model, bf16=bf16), words)


def build(model: Model) -> Any:
    """The module that a recipe's ``model`` describes. Raises InputError where it says too little, ModelError where its
    start isn't to be had."""
    kind = model_class(model.kind)
    if model.start:
        try:
            return kind.from_folder(model.start, max_length=model.max_length, **model.options)
        except OSError as error:
            what = f"model.start: {model.start!r} is no folder of a model here, nor to be had from the hub"
            raise ModelError(f"{what}: {' '.join(str(error).split())}") from error
    if not model.tokenizer:
        raise InputError("model: give start (a folder or hub id), or a shape and a tokenizer for a fresh model")
    return kind.from_config(model.shape, model.tokenizer, max_length=model.max_length, **model.options)


def table(recipe: Recipe) -> tuple[tuple[float, LossFn], ...]:
    """The recipe's losses with their weights, as functions. Raises InputError on an unknown name or option."""
    return tuple((loss.weight, named(loss.name, loss.options)) for loss in recipe.losses)


def named(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> LossFn:
    """A loss of the table, its options bound. Raises InputError where it is not there, or takes no such option."""
    from .losses import LOSSES

    if name not in LOSSES:
        near = difflib.get_close_matches(name, LOSSES, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(LOSSES)}"
        raise InputError(f"no loss {name!r}: {hint}")
    known = [o for o in list(inspect.signature(LOSSES[name]).parameters)[3:] if o != "epoch"]
    if strange := [o for o in options if o not in known]:
        raise InputError(f"the loss {name} has no option {strange[0]!r}: known are {', '.join(known) or 'none'}")
    return partial(LOSSES[name], **options) if options else LOSSES[name]


def weighing(said: Curriculum, groups: Sequence[Group]) -> Weigh | None:
    """The weights of a curriculum; None where it has none. Of groups with ids of their own, easiness is read within all
    their texts, also of those that an epoch draws from. Raises InputError where a group has no priors."""
    if said.difficulty == "none":
        return None
    if lacking := next((g for g in groups if not g.priors), None):
        raise InputError(f"the curriculum needs priors, which the group {lacking.id or lacking.query!r} has not")
    runs = {g.id: g.priors for g in groups if g.id}
    whole = runs if len(runs) == len(groups) else {}
    return Weights(said.difficulty, said.form, said.end, said.anti, said.threshold, whole)


def drawing(recipe: Recipe, groups: Sequence[Group]) -> DrawFn | None:
    """The recipe's drawing of negatives; None where it has none. Raises InputError where a group has no priors."""
    if not recipe.data.draw.negatives:
        return None
    if lacking := next((g for g in groups if not g.priors), None):
        raise InputError(f"data.draw needs priors, which the group {lacking.id or lacking.query!r} has not")
    return partial(recipe.data.draw, seed=recipe.seed)


_PARTS = {"sha256": "the data", "valid": "the validation data", "qrels": "the judgements"}


def _claim(
    folder: Path, recipe: Recipe, groups: Sequence[Group], judged: Sequence[Group], qrels: Qrels, resume: bool
) -> None:
    """Write down what is trained on what and chosen by what, so that only the same training goes on in its folder."""
    grades = [(q, sorted(found.items())) for q, found in sorted(qrels.items())]
    data = {"sha256": _digest(groups), "valid": _digest(judged), "qrels": _digest(grades)}
    mine = json.loads(json.dumps({"recipe": recipe.as_dict(), "groups": len(groups), **data}))
    file = folder / "training.json"
    if resume and file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept != mine:
            changed = [k for k in mine["recipe"] if kept["recipe"].get(k) != mine["recipe"][k]]
            changed += [name for part, name in _PARTS.items() if not changed and kept.get(part) != mine[part]]
            raise InputError(f"{folder} holds another training: {', '.join(changed)} changed since: choose another out")
        return
    if last_checkpoint(folder / "checkpoints"):
        raise InputError(f"{folder} holds a training with checkpoints: resume it, or choose another out")
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(file) as stream:
        stream.write(json.dumps(mine, indent=2) + "\n")


def _digest(values: Iterable[object]) -> str:
    data = hashlib.sha256()
    for value in values:
        data.update(repr(value).encode())
    return data.hexdigest()
