"""Setup: a model with its batches, objective and scores for the training loop, made from a recipe."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ..core.errors import InputError
from ..io.corpus import read_documents
from ..io.dataset import Dataset
from ..models import model_class
from ..models.base import CountsWords, OwnLoss
from .adapters import Adapted, Bottlenecks, Peft, body_of, callbacks_of, orthogonality
from .batches import Collate
from .checks import check_objective, check_relevant
from .curriculum import Curriculum as Weights
from .grad_cache import Cached, Compares
from .group import Group
from .language_model import LanguageObjective, Listwise, adapters_of, separator
from .loop import Score, processes
from .lottery import Lottery
from .masked import Masked
from .masked import objective as masked_objective
from .negatives import DrawFn
from .objective import GIVEN, LossFn, Objective, Weigh
from .recipe import Curriculum, Language, Model, Recipe
from .refresh import Refreshed
from .starts import impossible, opened, start_folder, tokenizer_folder
from .validation import scores

PRIORS = (
    "the field priors holds a first stage's score for each text: anyrank distill writes it, and a source {format: "
    "judged, run: …} has it from a run"
)


@dataclass(frozen=True, slots=True)
class Setup:
    """The parts of a training: the ``module`` with the weights, ``collate`` that makes a batch of groups, the
    ``objective`` (model, batch, epoch) and its ``losses`` in words, ``score`` for validation, and the ``size`` by which
    batches join groups; ``adapted`` and ``callbacks`` of a training of adapters."""

    model: Any
    module: Any
    collate: Callable[[Sequence[Group]], dict[str, Any]]
    objective: Callable[[Any, Mapping[str, Any], float], Tensor]
    score: Score
    losses: str
    size: Callable[[Group], int] = attrgetter("size")
    adapted: Adapted | None = None
    callbacks: Sequence[Any] = ()

    def save(self, folder: Path) -> None:
        """Write the model, or its adapter, into a folder."""
        if self.adapted is None:
            self.model.save(folder)
        else:
            self.adapted.save(folder)


@dataclass(frozen=True, slots=True)
class WithPenalty:
    """An objective and a term of the weights alone, such as a distance from the start."""

    objective: Callable[[Any, Mapping[str, Any], float], Tensor]
    penalty: Callable[[], Tensor | None]

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        loss, term = self.objective(model, batch, epoch), self.penalty()
        return loss if term is None else loss + term


def setup_of(
    recipe: Recipe,
    groups: Sequence[Group],
    model: Any = None,
    losses: Sequence[tuple[float, LossFn]] = (),
    weigh: Weigh | None = None,
    draw: DrawFn | None = None,
) -> Setup:
    """The setup that a recipe describes, under its adapters if it has any; a given model, losses, weights and drawing
    replace the recipe's. Raises InputError if they don't fit, or if no group holds anything that the losses compare."""
    setup = _setup(recipe, groups, model, losses, weigh, draw)
    if recipe.model.kind == "language" or (adapted := adapt(setup.model, recipe)) is None:
        return setup
    objective = WithPenalty(setup.objective, adapted.penalty)
    words = f"{setup.losses}; adapters: {adapted.described()}"
    return replace(setup, objective=objective, losses=words, adapted=adapted, callbacks=adapted.callbacks)


def adapt(model: Any, recipe: Recipe) -> Adapted | None:
    """Put the adapters of a recipe into a model and freeze its other weights, but for its head; None if the recipe has
    no adapters. Raises InputError if the model takes no such adapters."""
    if recipe.adapters.method == "none":
        return None
    body_of(model)
    if recipe.adapters.method == "bottleneck":
        return Bottlenecks(model, recipe)
    return Lottery(model, recipe) if recipe.adapters.method == "sparse" else Peft(model, recipe)


def _setup(
    recipe: Recipe,
    groups: Sequence[Group],
    model: Any,
    losses: Sequence[tuple[float, LossFn]],
    weigh: Weigh | None,
    draw: DrawFn | None,
) -> Setup:
    """The setup without adapters; of a language model with them."""
    bf16 = recipe.optimiser.bf16
    if recipe.model.kind == "language":
        if losses or weigh:
            raise InputError("a language model's losses are those of its recipe, and it takes no curriculum")
        spec = recipe.language
        rank = rank_loss(spec)
        listwise = Listwise.load(recipe) if model is None else model
        for group in groups:
            listwise.row(group)  # one that is too long is refused now, not in the step that meets it
        separator_id = separator(listwise.tokenizer, spec.labels) if spec.importance else -1
        score = partial(listwise.scores, bf16=bf16)
        language: Any = LanguageObjective(spec, rank, separator_id)
        adapters = adapters_of(recipe)
        if adapters.method == "adalora":
            language = WithPenalty(language, partial(orthogonality, listwise.model))
        calls = callbacks_of(adapters, listwise.model)
        words = str(spec) if recipe.adapters.method == "none" else f"{spec}; adapters: {adapters.method}"
        return Setup(listwise, listwise.model, listwise.collate, language, score, words, callbacks=calls)
    if recipe.model.kind == "mlm":
        if losses or weigh or draw:
            raise InputError("a masked language model has its own loss, and takes no curriculum")
        masked = Masked.load(recipe.model) if model is None else model
        words = "mlm's own (cross-entropy of masked tokens)"
        return Setup(masked, masked, masked.collate, masked_objective, _no_scores, words)
    functions = tuple(losses) or table(recipe)
    kind = model_class(recipe.model.kind) if model is None else type(model)
    if not functions and issubclass(kind, OwnLoss):
        words = f"{kind.kind}'s own"
        check_relevant(words, groups)
        model = build(recipe.model) if model is None else model
        return Setup(model, model, Collate(model, recipe.seed), own_loss, partial(scores, model, bf16=bf16), words)
    if not any(weight for weight, _ in functions):
        what = "losses: all have weight 0" if functions else "losses: there is none"
        raise InputError(f"{what}: give at least one, such as {{name: ranknet}}")
    model = build(recipe.model) if model is None else model
    if isinstance(model, CountsWords):
        model.count(text for group in groups for text in group.texts)
    names = [(w, getattr(loss, "__name__", repr(loss))) for w, loss in losses]
    names = names or [(x.weight, f"{x.name} {dict(x.options) or ''}".strip()) for x in recipe.losses]
    words = " + ".join(f"{weight:g} {name}" for weight, name in names)
    if weigh or recipe.curriculum.difficulty != "none":
        words += "; a curriculum given in Python" if weigh else f"; {recipe.curriculum}"
    if draw:
        words += f"; negatives drawn each epoch: {_drawn(recipe)}"
    weigh = weigh or weighing(recipe.curriculum, groups)
    own = () if losses else tuple(f for f, loss in zip(functions, recipe.losses, strict=True) if loss.own)
    objective = Objective(tuple(f for f in functions if f not in own), weigh, recipe.curriculum.by_group, own)
    in_batch = bool(getattr(model, "in_batch", False))
    check_objective(recipe, objective, words, groups, in_batch, draw or (lambda group, epoch: group))
    full: Any = objective
    if recipe.optimiser.cache:
        full = cached(model, objective, recipe)
        words += f"; GradCache of {recipe.optimiser.cache} texts"
    return Setup(model, model, Collate(model, recipe.seed), full, partial(scores, model, bf16=bf16), words)


def _drawn(recipe: Recipe) -> str:
    """The recipe's drawing of negatives, in words."""
    if recipe.data.refresh.corpus:
        return str(recipe.data.refresh)
    return str(recipe.data.draw) if recipe.data.draw.negatives else "as given in Python"


def _no_scores(groups: Sequence[Group]) -> Sequence[Sequence[float]]:
    """The scores of a masked language model, which has none."""
    if groups:
        raise InputError("data.valid: a masked language model ranks nothing: leave validation data out")
    return []


def own_loss(model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
    """The loss of a batch by a model that has its own."""
    loss: Tensor = getattr(model, "module", model).loss(batch["features"], batch["labels"])  # a launcher wraps models
    return loss


def cached(model: Any, objective: Objective, recipe: Recipe) -> Cached:
    """The objective with GradCache. Raises InputError for a model that doesn't encode texts apart into one vector, and
    for several processes."""
    if not isinstance(model, Compares):
        raise InputError(f"optimiser.cache is for models of kind bi, not {model.kind}: leave it out")
    if recipe.model.options.get("frozen_documents"):
        raise InputError("optimiser.cache doesn't know frozen documents: leave it out")
    if processes() > 1:
        raise InputError("optimiser.cache is for a training of one process: start it without a launcher")
    return Cached(objective, recipe.optimiser.cache, recipe.optimiser.bf16)


def build(model: Model) -> Any:
    """The module that a recipe's ``model`` describes. Raises InputError if it names neither a start nor a
    tokenizer, ModelError if the start can't be loaded."""
    kind = model_class(model.kind)
    fresh = getattr(kind, "from_config", None)
    if fresh is None:
        raise InputError(f"model.kind: {model.kind} reads no texts: 'anyrank peptides train' trains it")
    if model.start:
        folder = start_folder(model.start, word_vectors=issubclass(kind, CountsWords))
        with opened(model.start, model.kind):
            made = kind.from_folder(folder, max_length=model.max_length, **model.options)
        tokenizer = getattr(made, "tokenizer", None)
        if tokenizer is not None and tokenizer.pad_token_id is None:
            raise InputError(
                f"model.start: the tokenizer of {model.start} has no padding token, which a {model.kind} model needs: "
                "start from an encoder, or name a pad_token in its tokenizer_config.json"
            )
        return made
    if not model.tokenizer:
        raise InputError("model: give start (a folder or hub id), or a shape and a tokenizer for a fresh model")
    try:
        return fresh(model.shape, tokenizer_folder(model.tokenizer), max_length=model.max_length, **model.options)
    except TypeError as error:
        raise impossible(model.kind, error) from error


def table(recipe: Recipe) -> tuple[tuple[float, LossFn], ...]:
    """The recipe's losses with their weights, as functions. Raises InputError on an unknown name or option."""
    return tuple((loss.weight, named(loss.name, loss.options)) for loss in recipe.losses)


def named(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> LossFn:
    """A loss of the table, its options bound. Raises InputError on an unknown name or option."""
    from .losses import LOSSES

    if name not in LOSSES:
        near = difflib.get_close_matches(name, LOSSES, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(LOSSES)}"
        raise InputError(f"no loss {name!r}: {hint}")
    known = [o for o in list(inspect.signature(LOSSES[name]).parameters)[3:] if o not in GIVEN]
    if unknown := [o for o in options if o not in known]:
        raise InputError(f"the loss {name} has no option {unknown[0]!r}: known are {', '.join(known) or 'none'}")
    return partial(LOSSES[name], **options) if options else LOSSES[name]


def rank_loss(spec: Language) -> LossFn:
    """The rank loss of a language model, over all pairs of the batch as in FIRST's release, unless its options say
    otherwise. Raises InputError on an unknown name or option."""
    loss = named(spec.rank_loss)
    usual = {"mean": "pair"} if "mean" in inspect.signature(loss).parameters else {}
    return named(spec.rank_loss, usual | dict(spec.rank_options))


def weighing(curriculum: Curriculum, groups: Sequence[Group]) -> Weigh | None:
    """The weights of a curriculum; None if it has none. For groups with distinct ids, easiness is within all their
    texts, also if an epoch draws only some of them. Raises InputError if a group has no priors."""
    if curriculum.difficulty == "none":
        return None
    if bare := next((g for g in groups if not g.priors), None):
        raise InputError(f"the curriculum needs priors, but {bare.name} has none: {PRIORS}")
    runs = {g.id: g.priors for g in groups if g.id}
    full_runs = runs if len(runs) == len(groups) else {}
    c = curriculum
    return Weights(c.difficulty, c.form, c.end, c.anti, c.threshold, full_runs)  # type: ignore[arg-type,unused-ignore]


def draw_of(recipe: Recipe, groups: Sequence[Group]) -> DrawFn | None:
    """The recipe's drawing of negatives; None if it has none. Raises InputError if a group has no priors."""
    if not recipe.data.draw.negatives:
        return None
    if bare := next((g for g in groups if not g.priors), None):
        raise InputError(f"data.draw needs priors, but {bare.name} has none: {PRIORS}")
    return partial(recipe.data.draw, seed=recipe.seed)


def refreshed_of(recipe: Recipe, model: Any) -> Refreshed:
    """The recipe's drawing of negatives from a model's own results. Raises InputError on a corpus that can't be read,
    or is empty."""
    spec = recipe.data.refresh
    whole = spec.corpus == "demo" or spec.corpus.startswith("irds:") or Path(spec.corpus).is_dir()
    documents = list(Dataset.open(spec.corpus).documents() if whole else read_documents(spec.corpus))
    if not documents:
        raise InputError("it holds no document", path=spec.corpus)
    return Refreshed(model, documents, spec.negatives, spec.depth, spec.every, recipe.seed, steps=spec.steps)
