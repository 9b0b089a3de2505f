"""`train`: from a recipe to a folder with the trained model, its card with the measured effect, and its int8 graph."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..evaluate.evaluation import Evaluation, evaluate
from ..io.files import atomic
from ..io.qrels import Qrels, read_qrels
from .batches import cut
from .card import card
from .export import Exported, export, unfit
from .group import Group
from .loop import Loop, last_checkpoint
from .negatives import DrawFn
from .objective import LossFn, Weigh
from .recipe import Recipe
from .setup import Setup, draw_of, setup_of
from .sources import read_sources
from .validation import Validation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training: the model, its folder, its effect on the validation groups (the first stage's order
    if groups have priors, the model before and after), the check of its int8 graph, and the log."""

    model: Any
    folder: Path
    effect: Evaluation | None
    exported: Exported | None
    log: tuple[Mapping[str, float], ...] = ()


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
    setup: Setup | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """The training of a recipe. Groups, judgements, a model of `anyrank.models` and losses with their weights, if
    given, replace those that the recipe names; ``weigh`` is a curriculum of one's own, ``draw`` (group, epoch) selects
    the candidates of each group for an epoch; ``setup`` trains a model that isn't one of the recipe's kinds.

    With ``resume`` a killed training goes on from its last checkpoint, and ends with the same weights, bit for bit, as
    one that was never stopped (same machine, threads and package versions).
    Raises InputError on data, names or folders that don't fit.
    """
    import torch
    from transformers import set_seed

    folder = Path(recipe.out)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    groups = cut(read_sources(recipe.data.train) if train is None else train, recipe.data.texts)
    if not groups:
        raise InputError("nothing to train on: data.train names no file, and no groups are given")
    held_out = read_sources(recipe.data.valid) if valid is None else valid
    held_out = [g if g.id else replace(g, id=f"q{i}") for i, g in enumerate(held_out)]
    if recipe.check.patience and not held_out:
        raise InputError("check.patience needs validation groups: data.valid names no file, and none are given")
    if qrels is None and recipe.data.qrels:
        qrels = read_qrels(recipe.data.qrels)
    validation = Validation(held_out, recipe.check.measures, qrels) if held_out else None
    draw = draw or draw_of(recipe, groups)
    _record(folder, recipe, groups, held_out, qrels or {}, resume)
    set_seed(recipe.seed)
    setup = setup or setup_of(recipe, groups, model, losses, weigh, draw)
    before = setup.score(held_out) if held_out else []
    loop = Loop(
        setup.module,
        recipe,
        groups,
        setup.collate,
        setup.objective,
        validation,
        setup.score,
        progress,
        draw,
        setup.size,
    )
    loop.run(resume)
    model, effect = setup.model, None
    if validation:
        runs = {"before": before, "after": setup.score(held_out)}
        if all(g.priors for g in held_out):
            runs = {"first stage": [list(g.priors) for g in held_out], **runs}
        effect = evaluate({n: validation.run(s) for n, s in runs.items()}, validation.judged, validation.measures)
    model.save(folder)
    exported = None
    if recipe.export.int8 and (reason := unfit(model)):
        log.info("no int8 graph is made: %s", reason)
    elif recipe.export.int8:
        exported = export(model, folder, groups, recipe.export, recipe.seed)
    text = card(recipe, setup.module, model, groups, effect, exported, setup.losses)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Trained(model, folder, effect, exported, tuple(dict(line) for line in loop.state.log_history))


_PARTS = {"sha256": "the data", "valid": "the validation data", "qrels": "the judgements"}


def _record(
    folder: Path, recipe: Recipe, groups: Sequence[Group], held_out: Sequence[Group], qrels: Qrels, resume: bool
) -> None:
    """Write training.json: the recipe, and digests of data and judgements, so that no other training is resumed in the
    folder. Raises InputError if the folder holds another training."""
    grades = [(q, sorted(judged_ids.items())) for q, judged_ids in sorted(qrels.items())]
    data = {"sha256": _digest(groups), "valid": _digest(held_out), "qrels": _digest(grades)}
    current = json.loads(json.dumps({"recipe": recipe.as_dict(), "groups": len(groups), **data}))
    file = folder / "training.json"
    if resume and file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != current:
            changed = [k for k in current["recipe"] if before["recipe"].get(k) != current["recipe"][k]]
            changed += [name for part, name in _PARTS.items() if not changed and before.get(part) != current[part]]
            raise InputError(
                f"{folder} holds another training: {', '.join(changed)} changed: choose another out, or restore it"
            )
        return
    if last_checkpoint(folder / "checkpoints"):
        raise InputError(f"{folder} holds a training with checkpoints: resume it, or choose another out")
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(file) as stream:
        stream.write(json.dumps(current, indent=2) + "\n")


def _digest(values: Iterable[object]) -> str:
    data = hashlib.sha256()
    with np.printoptions(threshold=8, edgeitems=4):  # of long arrays (spectra) the ends, which are quick to write
        for value in values:
            data.update(repr(value).encode())
    return data.hexdigest()
