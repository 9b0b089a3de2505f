"""A training as a value: its model, data, losses and settings. `read_recipe` reads it from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.errors import InputError
from ..models import kinds, near
from .negatives import Draw
from .sources import Source
from .typed_yaml import read


def _least(value: Any, **bounds: float) -> None:
    """Raises InputError if a field is under its least value."""
    for name, bound in bounds.items():
        if not getattr(value, name) >= bound:
            raise InputError(f"{name}: expected at least {bound:g}, found {getattr(value, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model to train. ``start`` is a folder or hub id; without it the model is fresh, of a ``shape`` (the
    transformers configuration, or KNRM's) with the ``tokenizer`` of a folder or hub id. ``options`` are those of the
    model's class (a bi-encoder's pooling, similarity, temperature, in_batch; scales of late interaction). A "language"
    model starts from a causal one."""

    kind: str = "cross"
    start: str = ""
    shape: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str = ""
    max_length: int = 256
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in (known := (*kinds(), "language")):
            raise InputError(f"kind: no model of kind {self.kind!r}: {near(self.kind, known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Files for training and validation, of groups (JSONL) or of another format as a ``Source`` ({format: triples,
    path: …}), and judgements for the latter (else its groups' labels; groups without an id are called q0, q1, … by
    their position). ``about`` and ``licence`` go into the model's card; ``texts`` cuts a group to its first n texts (0:
    none); ``draw`` selects new negatives from each training group in each epoch (see ``negatives``)."""

    train: tuple[str | Source, ...] = ()
    valid: tuple[str | Source, ...] = ()
    qrels: str = ""
    about: str = ""
    licence: str = ""
    texts: int = 0
    draw: Draw = Draw()

    def __post_init__(self) -> None:
        _least(self, texts=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss of the table, its weight in the sum, and its own options."""

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Listwise training of a language model: see ``language_model`` for the objectives. ``rank_loss`` is one of the
    table, ``rank_weight`` 0 FIRST's own. ``lora`` is the adapter's rank, 0 trains all weights; ``neftune`` is the alpha
    of the noise on embeddings (5 in FIRST). ``words`` bounds each text in the prompt; ``end`` trains the end
    token after the answer. ``checkpointing`` recomputes activations in the backward pass, to save memory."""

    objective: Literal["language", "rank", "combined"] = "combined"
    rank_loss: str = "ranknet_weighted"
    rank_weight: float = 0.0
    importance: bool = False
    labels: Literal["letters", "numbers"] = "letters"
    lora: int = 0
    neftune: float = 0.0
    words: int = 300
    end: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        _least(self, rank_weight=0, lora=0, neftune=0, words=1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """AdamW. ``batch`` counts groups, ``accumulate`` batches a step; ``steps`` 0 means whole ``epochs``; ``warmup`` is
    a share of the steps; ``clip`` bounds the gradient's norm (0: unbounded); ``bf16`` computes in bfloat16 by
    autocast."""

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

    def __post_init__(self) -> None:
        _least(self, rate=0, decay=0, warmup=0, steps=0, epochs=0 if self.steps else 1, batch=1, accumulate=1, clip=0)
        if self.warmup > 1:
            raise InputError(f"warmup: expected a share of the steps, at most 1, found {self.warmup:g}")


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
        _least(self, every=0, patience=0)
        if not all(self.measures):
            raise InputError(f"measure: expected names, with + between them, found {self.measure!r}")

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures that are summed."""
        sums = (self.measure,) if isinstance(self.measure, str) else self.measure
        return tuple(name.strip() for names in sums for name in names.split("+"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The int8 ONNX graph: whether it is made, and the least rank correlation (cross-encoders; mean over groups of
    Spearman's rho) or cosine (bi-encoders) with the original that is accepted. ``samples`` texts set its scales."""

    int8: bool = True
    least: float = 0.98
    samples: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training. ``out`` is the folder of the result. Raises InputError on settings that its kind of model
    doesn't use: ``language`` is for language models, ``losses`` and ``curriculum`` are for all others.

    >>> Recipe(out="runs/tiny", model=Model(start="minilm"), losses=(Loss(name="ranknet"),)).optimiser.rate
    2e-05
    """

    out: str
    model: Model = Model()
    data: Data = Data()
    losses: tuple[Loss, ...] = (Loss(name="ranknet"),)
    language: Language = Language()
    curriculum: Curriculum = Curriculum()
    optimiser: Optimiser = Optimiser()
    check: Check = Check()
    export: Export = Export()
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        _least(self, threads=0)
        unused = {"language": self.language != Language()}
        if self.model.kind == "language":
            unused = {"losses": self.losses != (Loss(name="ranknet"),), "curriculum": self.curriculum != Curriculum()}
        for name, changed in unused.items():
            if changed:
                raise InputError(f"{name}: not used for a model of kind {self.model.kind}: leave it out")

    def as_dict(self) -> dict[str, Any]:
        """A plain form, for YAML and JSON."""
        return asdict(self)


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
