"""A training as a value: its model, data, losses and settings. `read_recipe` reads it from YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.errors import InputError
from ..models import kinds, near
from .negatives import Draw, Refresh
from .ranges import check_options, check_settings
from .reinforce import Reinforce
from .sources import Source
from .typed_yaml import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model to train. ``start`` is a folder or hub id; without it the model is fresh, of a ``shape`` (the
    transformers configuration, or KNRM's) with the ``tokenizer`` of a folder or hub id. ``options`` are those of the
    model's class (a bi-encoder's pooling, similarity, temperature, in_batch; scales of late interaction). A "language"
    model starts from a causal one, "mlm" (for language adapters) from a masked one."""

    kind: str = "cross"
    start: str = ""
    shape: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str = ""
    max_length: int = 256
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in (known := (*kinds(), "language", "mlm")):
            raise InputError(f"kind: no model of kind {self.kind!r}: {near(self.kind, known)}")
        check_settings(self)
        check_options("options", self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidSet:
    """A named validation set: its files and judgements as in ``Data``, and its ``weight`` in the mean over the sets by
    which the best checkpoint is chosen. A set has measures of its own, else those of ``Check``."""

    name: str
    valid: tuple[str | Source, ...]
    qrels: str = ""
    measure: str | tuple[str, ...] = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.name or set(self.name) & set("/\\"):
            raise InputError(f"name: expected a name without slashes, found {self.name!r}")
        if not self.valid:
            raise InputError(f"valid: the set {self.name!r} has no file")
        names_of(self.measure or "nDCG@10")


def names_of(measure: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names of measures that are summed. Raises InputError on an empty one.

    >>> names_of("nDCG@10 + R@10")
    ('nDCG@10', 'R@10')
    """
    sums = (measure,) if isinstance(measure, str) else measure
    names = tuple(name.strip() for part in sums for name in part.split("+"))
    if not names or not all(names):
        raise InputError(f"measure: expected names, with + between them, found {measure!r}")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Files for training and validation, of groups (JSONL) or of another format as a ``Source`` ({format: triples,
    path: …}), and judgements for the latter (else its groups' grades or labels; groups without an id are called q0, q1,
    … by their position). ``valid_sets`` are several validation sets with names, in place of ``valid`` and ``qrels``.
    ``about`` and ``licence`` go into the model's card; ``texts`` cuts a group to its first n texts (0: none); ``draw``
    selects new negatives from each training group in each epoch, ``refresh`` from the results of the model itself in a
    collection (see ``negatives``)."""

    train: tuple[str | Source, ...] = ()
    valid: tuple[str | Source, ...] = ()
    qrels: str = ""
    valid_sets: tuple[ValidSet, ...] = ()
    about: str = ""
    licence: str = ""
    texts: int = 0
    draw: Draw = Draw()
    refresh: Refresh = Refresh()

    def __post_init__(self) -> None:
        check_settings(self)
        if self.draw.negatives and self.refresh.corpus:
            raise InputError("refresh: its negatives replace those of draw: give one of the two")
        if self.valid and self.valid_sets:
            raise InputError("valid_sets: give valid, or valid_sets, not both")
        if self.qrels and self.valid_sets:
            raise InputError("qrels: each of valid_sets has its own: give them there")
        names = [part.name for part in self.valid_sets]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"valid_sets: the name {twice!r} comes twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss of the table, its weight in the sum, and its own options. ``own``: where a model scores every query of a
    batch with every text (in_batch), the loss is over each query's own texts alone."""

    name: str
    weight: float = 1.0
    own: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_settings(self)
        check_options(f"the loss {self.name}", self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Listwise training of a language model: see ``language_model`` for the objectives. ``rank_loss`` is one of the
    table, with its ``rank_options`` (its mean is over all pairs of the batch, as FIRST's), ``rank_weight`` 0 FIRST's
    own. ``lora`` is the adapter's rank, 0 trains all weights; ``neftune`` is the alpha of the noise on embeddings (5 in
    FIRST). ``words`` bounds each text in the prompt; ``end`` trains the end token after the answer. ``checkpointing``
    recomputes activations in the backward pass, to save memory."""

    objective: Literal["language", "rank", "combined"] = "combined"
    rank_loss: str = "ranknet_weighted"
    rank_weight: float = 0.0
    rank_options: Mapping[str, Any] = field(default_factory=dict)
    importance: bool = False
    labels: Literal["letters", "numbers"] = "letters"
    lora: int = 0
    neftune: float = 0.0
    words: int = 300
    end: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        check_options(f"the loss {self.rank_loss}", self.rank_options)


_LOW_RANK = ("rank", "alpha", "dropout", "targets", "options", "merge")
ADAPTERS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    **dict.fromkeys(("lora", "dora", "adalora", "loha", "lokr"), _LOW_RANK),
    **dict.fromkeys(("vera", "oft", "boft"), ("rank", "dropout", "targets", "options", "merge")),
    **dict.fromkeys(("ia3", "ln"), ("targets", "options", "merge")),
    "bottleneck": ("reduction", "coupling", "dropout", "language"),
    "sparse": ("keep", "norms", "l1", "first_steps", "language", "merge"),
}
"""The settings that each method of adapters has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Training of few weights on top of a start whose own stay; what the model's head holds is trained in full.

    lora, dora, adalora, loha, lokr, vera, oft, boft, ia3, ln    by peft: ``rank`` (of OFT and BOFT the block's size),
        ``alpha`` (0: twice the rank), ``dropout``, ``targets`` (ends of modules' names, by default all linear layers of
        the encoder), further ``options`` of peft's configuration
    bottleneck    two small layers in every layer (Pfeiffer), of the width divided by ``reduction``; ``coupling`` is the
        reduction of an invertible layer after the embeddings (0: none), for language adapters
    sparse    a first training of all weights chooses the ``keep`` (a share up to 1, else a number) that change most;
        a second one trains these from the start again. ``first_steps`` is the first's length (0: as the second's);
        ``l1`` pulls weights to the start; ``norms`` trains layer norms too

    ``language`` is the folder of a language adapter (or sparse fine-tuning) below the trained one. With ``merge`` the
    folder holds the merged model, and its adapter/ the adapter; without it, and always for bottleneck, the folder holds
    the adapter alone, with its base's name. Raises InputError on a setting that the method doesn't have.
    """

    method: Literal[
        "none", "lora", "dora", "adalora", "loha", "lokr", "vera", "oft", "boft", "ia3", "ln", "bottleneck", "sparse"
    ] = "none"
    rank: int = 8
    alpha: float = 0.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    reduction: float = 16.0
    coupling: float = 0.0
    keep: float = 0.1
    norms: bool = False
    l1: float = 0.0
    first_steps: int = 0
    language: str = ""
    merge: bool = True

    def __post_init__(self) -> None:
        check_settings(self)
        fitting = ADAPTERS[self.method]
        for each in fields(self):
            default = {} if each.name == "options" else each.default
            if each.name not in ("method", *fitting) and getattr(self, each.name) != default:
                what = "needs a method" if self.method == "none" else f"is no setting of the method {self.method}"
                known = f": it has {', '.join(fitting)}" if fitting else f": choose one of {', '.join(ADAPTERS)}"
                raise InputError(f"{each.name} {what}{known}")
        if 0 < self.coupling < 1:
            raise InputError(f"coupling: expected 0 or at least 1, found {self.coupling:g}")
        if self.keep > 1 and self.keep % 1:
            raise InputError(f"keep: above 1 a whole number of weights, found {self.keep:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curriculum:
    """Groups that their first-stage run ranks well weigh more at first (arXiv 2004.14269; see ``curriculum``); it
    needs groups with ``priors``. ``difficulty`` "none" is no curriculum; after ``end`` epochs all weigh the same.
    ``by_group`` weighs each group's loss, else a batch's loss by the mean of its groups' weights. ``anti`` makes hard
    groups weigh more at first; labels above ``threshold`` are positive."""

    difficulty: Literal["none", "recip", "norm", "kde"] = "none"
    form: Literal["pairwise", "pointwise"] = "pairwise"
    end: int = 20
    by_group: bool = False
    anti: bool = False
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """AdamW. ``batch`` counts groups, ``accumulate`` batches a step; ``steps`` 0 means whole ``epochs``; ``warmup`` is
    a share of the steps; ``clip`` bounds the gradient's norm (0: unbounded); ``bf16`` computes in bfloat16 by
    autocast. With ``cache`` texts a time, a batch of a bi-encoder needs only the memory of so many texts, at the price
    of a second forward pass (GradCache; 0: the batch at once)."""

    rate: float = 2e-5
    decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    epochs: int = 1
    steps: int = 0
    batch: int = 8
    accumulate: int = 1
    clip: float = 1.0
    bf16: bool = True
    cache: int = 0

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.epochs and not self.steps:
            raise InputError("epochs: expected at least 1, found 0 (and no steps)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Validation: ``measure``, or the sum of several (a list, or "nDCG@10 + AP@1000 + R@10"), every ``every`` steps (0:
    after each epoch); after ``patience`` of them without a gain training stops (0: never). The best checkpoint is kept.
    Without validation data only checkpoints are written.

    >>> Check(measure="nDCG@10 + R@10").measures
    ('nDCG@10', 'R@10')
    """

    measure: str | tuple[str, ...] = "nDCG@10"
    every: int = 0
    patience: int = 0

    def __post_init__(self) -> None:
        check_settings(self)
        names_of(self.measure)

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures that are summed."""
        return names_of(self.measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The int8 ONNX graph: whether it is made, and the least rank correlation (cross-encoders; mean over groups of
    Spearman's rho) or cosine (bi-encoders) with the original that is accepted. ``samples`` texts set its scales."""

    int8: bool = True
    least: float = 0.98
    samples: int = 400

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training. ``out`` is the folder of the result. Raises InputError on settings that its kind of model
    doesn't use: ``language`` and ``rl`` are for language models, ``losses`` and ``curriculum`` are for all others.

    >>> Recipe(out="runs/tiny", model=Model(start="minilm"), losses=(Loss(name="ranknet"),)).optimiser.rate
    2e-05
    """

    out: str
    model: Model = Model()
    data: Data = Data()
    losses: tuple[Loss, ...] = (Loss(name="ranknet"),)
    language: Language = Language()
    adapters: Adapters = Adapters()
    rl: Reinforce = Reinforce()
    curriculum: Curriculum = Curriculum()
    optimiser: Optimiser = Optimiser()
    check: Check = Check()
    export: Export = Export()
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.out.strip():
            raise InputError("out: expected the folder to write, found an empty text")
        check_adapters(self)
        if self.data.refresh.corpus and self.model.kind != "bi":
            raise InputError(f"data.refresh: it is for models of kind bi, not {self.model.kind}: leave it out")
        unused = {"language": self.language != Language(), "rl": self.rl != Reinforce()}
        if self.model.kind == "language":
            unused = {"losses": self.losses != (Loss(name="ranknet"),), "curriculum": self.curriculum != Curriculum()}
            unused["language"] = self.rl.task != "none" and self.language != Language()
        elif self.model.kind == "mlm":
            unused["losses"] = self.losses not in ((), (Loss(name="ranknet"),))
            unused["curriculum"] = self.curriculum != Curriculum()
            check_plain_text(self.data.train)
        for name, changed in unused.items():
            if changed:
                raise InputError(f"{name}: not used for a model of kind {self.model.kind}: leave it out")

    def as_dict(self) -> dict[str, Any]:
        """A plain form, for YAML and JSON."""
        return asdict(self)


def check_plain_text(sources: Sequence[str | Source]) -> None:
    """Raises InputError if a source isn't plain text, which a masked language model learns from."""
    for source in sources:
        if isinstance(source, str) or source.format != "text":
            path = source if isinstance(source, str) else source.path
            raise InputError(f"data.train: a model of kind mlm reads plain text: {{format: text, path: {path}}}")


def check_adapters(recipe: Recipe) -> None:
    """Raises InputError if the adapters of a recipe don't go with its model."""
    method, kind = recipe.adapters.method, recipe.model.kind
    if method == "none":
        return
    if not recipe.model.start:
        raise InputError("adapters: the model needs start, a folder or hub id: there is nothing to adapt")
    if kind == "language" and method in ("bottleneck", "sparse"):
        raise InputError(f"adapters.method: {method} is for encoders: choose lora or another of peft's")
    if kind == "language" and recipe.language.lora:
        raise InputError("language.lora: the same as adapters {method: lora}: give one of the two")
    if recipe.model.options.get("lora"):
        raise InputError("model.options.lora: the same as adapters {method: lora}: give one of the two")
    for option in ("frozen_documents", "separate_documents"):
        if recipe.model.options.get(option):
            raise InputError(f"adapters: {option} is for trainings of all weights: leave one of the two out")


def recorded(recipe: Recipe) -> dict[str, Any]:
    """The form of a recipe in training.json: without adapters, rewards and refreshed negatives if there are none, as in
    versions that had none, so that their trainings can be resumed."""
    content: dict[str, Any] = json.loads(json.dumps(recipe.as_dict()))
    if not recipe.data.refresh.corpus:
        del content["data"]["refresh"]
    if recipe.adapters.method == "none":
        del content["adapters"]
    if recipe.rl == Reinforce():
        del content["rl"]
    return content


def merged(recipe: Recipe) -> bool:
    """Whether the folder of a training holds a whole model, not an adapter beside the name of its base."""
    return recipe.adapters.method != "bottleneck" and recipe.adapters.merge


def recipe_text(recipe: Recipe) -> str:
    """A recipe as YAML that `read_recipe` reads, without values at their defaults.

    >>> print(recipe_text(Recipe(out="a", losses=(Loss(name="mse"),), optimiser=Optimiser(rate=1e-4))), end="")
    out: a
    losses:
    - name: mse
    optimiser:
      rate: 0.0001
    """
    import yaml

    return str(yaml.safe_dump(_changed(recipe), sort_keys=False, allow_unicode=True))


def _changed(value: Any) -> Any:
    """A value in plain types; of a dataclass the fields that differ from their defaults."""
    if is_dataclass(value):
        defaults = {
            f.name: f.default_factory() if f.default is MISSING and f.default_factory is not MISSING else f.default
            for f in fields(value)
        }
        return {name: _changed(now) for name, default in defaults.items() if (now := getattr(value, name)) != default}
    if isinstance(value, Mapping):
        return {key: _changed(item) for key, item in value.items()}
    return [_changed(item) for item in value] if isinstance(value, tuple | list) else value


def read_recipe(path: str | Path) -> Recipe:
    """The recipe of a YAML file. Raises InputError on an unknown key (with the nearest known one), a key that comes
    twice, a missing one, and a value of another type, each with its line."""
    return read(Recipe, path)
