"""`train`: from a recipe to a folder with the trained model, its card with the measured effect, and its int8 graph."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..evaluate.evaluation import Evaluation
from ..io.files import atomic
from ..io.qrels import Qrels, read_qrels
from .batches import cut
from .card import card, rewarded
from .checks import check_groups
from .curve import write_curve
from .divergence import Diverged
from .effect import Scores, effect
from .export import Exported, export, unfit
from .group import Group
from .loop import Loop, is_first, last_checkpoint
from .lottery import FIRST, Lottery
from .negatives import DrawFn
from .objective import LossFn, Weigh
from .recipe import Recipe, merged, names_of, recorded
from .refresh import Refreshed, Steps
from .setup import Setup, build, draw_of, refreshed_of, setup_of
from .sources import read_parts, read_sources
from .trial import try_loss
from .validation import Validation, ValidationSets

log = logging.getLogger(__name__)

Order = Callable[[Sequence[Group], int], Sequence[int]]
"""(groups, epoch from 0) -> the positions of the groups of that epoch, in order; as many each time."""
LAST_GOOD = "last-good"
"""The folder, in that of a training that diverged, of the model with the weights of the last good checkpoint."""
RECORD = "training.json"
"""The file of a training's recipe and of digests of its data."""
VALIDATION = "validation.json"
"""The file of a training's values on its validation groups, a set each."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training: the model, its folder, its effect on the validation groups (the first stage's order
    if groups have priors, the model before and after), the check of its int8 graph, and the log. ``effects`` are those
    of each validation set by its name ("" if there is one without a name); ``effect`` is the first."""

    model: Any
    folder: Path
    effect: Evaluation | None
    exported: Exported | None
    log: tuple[Mapping[str, float], ...] = ()
    effects: Mapping[str, Evaluation] = field(default_factory=dict)
    rewards: tuple[Mapping[str, float], Mapping[str, float]] | None = None
    """Mean rewards before and after, of a training by rewards."""


def train(
    recipe: Recipe,
    *,
    train: Sequence[Group] | None = None,
    valid: Sequence[Group] | Mapping[str, Sequence[Group]] | None = None,
    qrels: Qrels | None = None,
    model: Any = None,
    losses: Sequence[tuple[float, LossFn]] = (),
    weigh: Weigh | None = None,
    draw: DrawFn | None = None,
    order: Order | None = None,
    setup: Setup | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """The training of a recipe. Groups, judgements, a model of `anyrank.models` and losses with their weights, if
    given, replace those that the recipe names; a mapping of ``valid`` is several validation sets by name; ``weigh`` is
    a curriculum of one's own, ``draw`` (group, epoch) selects the candidates of each group for an epoch, ``order``
    (groups, epoch) gives the positions of the groups of an epoch, from which batches are cut as they stand; ``setup``
    trains a model that isn't one of the recipe's kinds.

    With ``resume`` a killed training goes on from its last checkpoint, and ends with the same weights, bit for bit, as
    one that was never stopped (same machine, threads and package versions).
    Raises InputError on data, names or folders that don't fit, all before the first step; `divergence.Diverged` at the
    first loss, gradient or weight that isn't a finite number, after saving the last good model in ``last-good``.
    """
    import torch
    from transformers import set_seed

    folder = Path(recipe.out)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    groups, parts = groups_of(recipe, train)
    if recipe.rl.task != "none":
        return _reinforced(recipe, groups, valid, resume, progress)
    held_out = validations_of(recipe, valid, qrels)
    if recipe.check.patience and not held_out:
        raise InputError("check.patience needs validation groups: data.valid names no file, and none are given")
    stated = not losses and all(part is None for part in (model, weigh, draw, setup))
    draw = draw or draw_of(recipe, groups)
    record = _record(folder, recipe, groups, held_out, resume)
    set_seed(recipe.seed)
    if recipe.data.refresh.corpus and draw is None:
        model = build(recipe.model) if model is None else model
        draw = refreshed_of(recipe, model)
    setup = setup or setup_of(recipe, groups, model, losses, weigh, draw)
    if held_out:
        log.info("scoring %d validation groups before the first step", sum(len(p.groups) for p in held_out.values()))
    before = {name: setup.score(part.groups) for name, part in held_out.items()}
    for name, part in held_out.items():
        part.run(before[name])  # a start whose scores aren't finite is refused here
    if stated:  # parts of the caller's own are not called more often than the training needs
        try_loss(setup, recipe, groups, draw)
    _begin(folder, record)

    def loop_of(recipe: Recipe, validation: Validation | ValidationSets | None) -> Loop:
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
            parts,
            None if order is None else partial(order, groups),
        )
        for callback in (*setup.callbacks, *([Steps(draw)] if isinstance(draw, Refreshed) else [])):
            loop.add_callback(callback)
        return loop

    if isinstance(setup.adapted, Lottery):
        setup.adapted.first_phase(lambda first, resume: _run(loop_of(first, None), setup, folder, resume), resume)
    loop = loop_of(recipe, _joined(recipe, held_out))
    _run(loop, setup, folder, resume)
    model = setup.model
    if setup.adapted is not None and is_first():
        setup.save(folder)  # before the effect is measured, since it merges the adapter
    effects = {name: _effect(part, before[name], setup.score(part.groups)) for name, part in held_out.items()}
    history = tuple(dict(line) for line in loop.state.log_history)
    first = next(iter(effects.values()), None)
    if not is_first():
        return Trained(model, folder, first, None, history, effects)
    if setup.adapted is None:
        setup.save(folder)
    if effects:
        with atomic(folder / VALIDATION) as stream:
            stream.write(json.dumps({n: json.loads(e.table("json")) for n, e in effects.items()}) + "\n")
    exported = None
    reason = unfit(model) if merged(recipe) else "the folder holds an adapter, not a whole model"
    if recipe.export.int8 and reason:
        log.info("no int8 graph is made: %s", reason)
    elif recipe.export.int8:
        log.info("writing the int8 graph")
        exported = export(model, folder, groups, recipe.export, recipe.seed)
    text = card(recipe, setup.module, model, groups, effects, exported, setup.losses) + write_curve(folder, history)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Trained(model, folder, first, exported, history, effects)


def _reinforced(recipe: Recipe, groups: Sequence[Group], valid: Any, resume: bool, progress: bool) -> Trained:
    """A training by rewards (``rl``). Raises InputError on settings that it doesn't use."""
    from transformers import set_seed

    from . import grpo
    from .reward_tasks import task_of

    if recipe.data.draw.negatives or recipe.data.valid_sets or isinstance(valid, Mapping):
        raise InputError("rl: data.draw and data.valid_sets aren't used: leave them out (rl.negatives draws)")
    folder = Path(recipe.out)
    held_out = read_sources(recipe.data.valid) if valid is None else list(valid)
    record = _record(folder, recipe, groups, {}, resume)
    set_seed(recipe.seed)
    begin = partial(_begin, folder, record)
    model, before, after, history = grpo.run(recipe, groups, held_out, resume, progress, begin)
    rewards = "; ".join(task_of(recipe.rl).rewards)
    text = rewarded(recipe, model, groups, f"GRPO by the rewards {rewards}", before, after)
    text += write_curve(folder, history)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Trained(model, folder, None, None, tuple(history), rewards=(before, after))


def groups_of(recipe: Recipe, given: Sequence[Group] | None) -> tuple[list[Group], list[tuple[int, float]]]:
    """The training groups, cut and checked, and the parts in which they are mixed."""
    groups, parts = read_parts(recipe.data.train) if given is None else (list(given), [])
    groups = cut(groups, recipe.data.texts)
    if not groups:
        named = ", ".join(map(str, recipe.data.train)) if given is None else ""
        why = f"{named} hold no group: do queries, judgements and run belong together?" if named else ""
        raise InputError(f"nothing to train on: {why or 'data.train names no file, and no groups are given'}")
    check_groups(groups)
    return groups, parts


def validations_of(
    recipe: Recipe, valid: Sequence[Group] | Mapping[str, Sequence[Group]] | None, qrels: Qrels | None
) -> dict[str, Validation]:
    """The validations by name ("" for one without a name), read and checked."""
    data, check = recipe.data, recipe.check.measures
    if isinstance(valid, Mapping):
        return {name: _validation(groups, check, qrels) for name, groups in valid.items()}
    if valid is None and data.valid_sets:
        return {
            part.name: _validation(
                read_sources(part.valid),
                names_of(part.measure) if part.measure else check,
                read_qrels(part.qrels) if part.qrels else None,
                part.name,
            )
            for part in data.valid_sets
        }
    groups = read_sources(data.valid) if valid is None else valid
    if not groups:
        return {}
    return {"": _validation(groups, check, read_qrels(data.qrels) if qrels is None and data.qrels else qrels)}


def _validation(groups: Sequence[Group], measures: Sequence[str], qrels: Qrels | None, name: str = "") -> Validation:
    groups = [g if g.id else replace(g, id=f"q{i}") for i, g in enumerate(groups)]
    check_groups(groups)
    try:
        return Validation(groups, measures, qrels)
    except InputError as error:
        raise InputError(f"{name}: {error}" if name else str(error)) from None


def _joined(recipe: Recipe, parts: Mapping[str, Validation]) -> Validation | ValidationSets | None:
    """The validation by which the best checkpoint is chosen."""
    if not parts:
        return None
    if set(parts) == {""}:
        return parts[""]
    stated = {part.name: part.weight for part in recipe.data.valid_sets}
    return ValidationSets(parts, {name: stated.get(name, 1.0) for name in parts})


def _effect(validation: Validation, before: Scores, after: Scores) -> Evaluation:
    runs: dict[str, Scores] = {"before": before, "after": after}
    if all(g.priors for g in validation.groups):
        runs = {"first stage": [list(g.priors) for g in validation.groups], **runs}
    return effect(validation, runs)


def _run(loop: Loop, setup: Setup, folder: Path, resume: bool) -> None:
    """Train; a training that diverges is saved as it was before."""
    try:
        loop.run(resume)
    except Diverged as error:
        raise _rescued(error, loop, setup, folder) from None


def _rescued(error: Diverged, loop: Loop, setup: Setup, folder: Path) -> Diverged:
    """The error with where the last good weights are, which are saved as a model."""
    step = loop.restore()
    if step is None and error.step > 1 and error.before_update:
        step = error.step - 1  # the weights before the step that failed
    if step is None:
        return error.with_sentence("No step before it gave good weights")
    if is_first():
        setup.save(folder / LAST_GOOD)
    good = folder / LAST_GOOD
    return error.with_sentence(
        f"The last good weights (step {step}) are in {good}: model.start: {good} starts from them"
    )


_WRITTEN = ("README.md", "config.json", "model.safetensors")
"""Files of a trained model whose names other folders use too."""
_PARTS = {"sha256": "the data", "valid": "the validation data", "qrels": "the judgements"}


def _record(
    folder: Path, recipe: Recipe, groups: Sequence[Group], held_out: Mapping[str, Validation], resume: bool
) -> dict[str, Any]:
    """What training.json holds: the recipe, and digests of data and judgements, so that no other training is resumed in
    the folder. Raises InputError if the folder holds another training, or a model or a text of somebody else's."""
    qrels = [
        (name, q, sorted(row.items()))
        for name, part in held_out.items()
        for q, row in sorted((part.qrels or {}).items())
    ]
    valid = [(name, group) for name, part in held_out.items() for group in part.groups]
    data = {"sha256": _digest(groups), "valid": _digest(valid), "qrels": _digest(qrels)}
    current: dict[str, Any] = json.loads(json.dumps({"recipe": recorded(recipe), "groups": len(groups), **data}))
    if not is_first():
        return current
    file = folder / RECORD
    if resume and file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != current:
            changed = [k for k in current["recipe"] if before["recipe"].get(k) != current["recipe"][k]]
            changed = changed or [name for part, name in _PARTS.items() if before.get(part) != current[part]][:1]
            raise InputError(
                f"{folder} holds another training: {', '.join(changed)} changed: choose another out, or restore it"
            )
        return current
    if last_checkpoint(folder / "checkpoints") or last_checkpoint(folder / FIRST / "checkpoints"):
        raise InputError(f"{folder} holds a training with checkpoints: resume it, or choose another out")
    strange = [name for name in _WRITTEN if (folder / name).is_file()]
    if strange and not file.is_file():
        raise InputError(f"{folder} holds a {strange[0]} that is of no training, and would be lost: choose another out")
    return current


def _begin(folder: Path, record: Mapping[str, Any]) -> None:
    """Write training.json, the first file of a folder: whatever is refused before leaves nothing behind."""
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(folder / RECORD) as stream:
            stream.write(json.dumps(record, indent=2) + "\n")


def _digest(values: Iterable[object]) -> str:
    data = hashlib.sha256()
    with np.printoptions(threshold=8, edgeitems=4):  # of long arrays (spectra) the ends, which are quick to write
        for value in values:
            data.update(repr(value).encode())
    return data.hexdigest()
