"""What a training will do, said before it starts: data, steps, weights, memory, and time by a few timed steps.

Nothing is written. The model is opened, and its weights stay as they are: the timed steps have the rate 0.
"""

from __future__ import annotations

import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from transformers import set_seed

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from .batches import Batches
from .group import Group
from .loop import epochs_of, plain_attention, processes, steps_of
from .recipe import Recipe
from .run import groups_of, validations_of
from .setup import Setup, build, draw_of, refreshed_of, setup_of
from .validation import moved

SAMPLE = 200
"""Texts whose tokens are counted."""
TIMED = 3
"""Batches that are timed: of short, middle and long texts."""
SCORED = 32
"""Validation groups that are timed."""


@runtime_checkable
class Truncates(Protocol):
    """A model that counts the texts of groups that it cuts."""

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A training before it starts. ``tokens`` are those of all texts and queries, each read once, before cuts, by a
    sample; ``memory`` is the most that this process has held in the timed steps, and ``fixed`` what weights, gradients
    and AdamW's state alone take, both in bytes; seconds are those of this machine as it is now, of the whole training
    with its validations, but without checkpoints and the int8 graph."""

    out: str
    kind: str
    start: str
    losses: str
    groups: int
    texts: int
    tokens: int
    cut: float
    valid_groups: int
    epochs: float
    steps: int
    batch: int
    accumulate: int
    weights: int
    trained: int
    fixed: int
    memory: int
    seconds_a_step: float
    validations: int
    seconds_a_validation: float
    seconds: float
    device: str
    threads: int

    def as_dict(self) -> dict[str, Any]:
        """A plain form, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        share = 100 * self.trained / max(self.weights, 1)
        lines = {
            "output": self.out,
            "model": f"{self.kind}, {f'from {self.start}' if self.start else 'fresh'}; loss: {self.losses}",
            "data": f"{self.groups:,} groups, {self.texts:,} texts, about {self.tokens:,} tokens; "
            f"{100 * self.cut:.0f} % of the texts are cut; {self.valid_groups:,} validation groups",
            "steps": f"{self.steps:,} of {self.batch} x {self.accumulate} groups: {self.epochs:.3g} epochs",
            "weights": f"{self.weights:,}, of which {self.trained:,} are trained ({share:.3g} %)",
            "memory": f"about {_size(self.memory)}, of which weights, gradients and optimiser {_size(self.fixed)}",
            "time": f"about {_duration(self.seconds)} on {self.device} with {self.threads} threads: "
            f"{self.seconds_a_step:.3g} s a step, {self.validations} validations of {self.seconds_a_validation:.3g} s",
        }
        return "\n".join(f"{name:8} {text}" for name, text in lines.items())


def plan(recipe: Recipe, train: Sequence[Group] | None = None, valid: Sequence[Group] | None = None) -> Plan:
    """The plan of a recipe; groups, if given, replace those that it names. Raises InputError as `run.train` does, and
    for trainings by rewards, whose time depends on the answers."""
    if recipe.rl.task != "none":
        raise InputError("--plan: a training by rewards takes as long as its answers are: try optimiser.steps=2 first")
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    groups, parts = groups_of(recipe, train)
    held_out = [group for part in validations_of(recipe, valid, None).values() for group in part.groups]
    draw = draw_of(recipe, groups)
    set_seed(recipe.seed)
    model = None
    if recipe.data.refresh.corpus:
        model = build(recipe.model)
        draw = refreshed_of(recipe, model)
    setup = setup_of(recipe, groups, model, (), None, draw)
    batches = Batches(groups, recipe.optimiser.batch, recipe.seed, setup.size, parts, None, processes() > 1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setup.module.to(device)
    weights = list(setup.module.parameters())
    trained = [p for p in weights if p.requires_grad]
    steps = steps_of(recipe, len(batches))
    each = epochs_of(recipe, steps, len(batches))
    drawn: Callable[[Group], Group] = (lambda group: group) if draw is None else (lambda group: draw(group, 0))
    with torch.random.fork_rng(devices=[]), plain_attention(setup.module):
        seconds = _timed(setup, recipe, [[drawn(g) for g in part] for part in _spread(groups, batches)], device)
        setup.module.eval()
        before = time.perf_counter()
        sample = sorted(held_out, key=setup.size)[:: max(1, len(held_out) // SCORED)]
        if sample:
            setup.score(sample)
        validation = (time.perf_counter() - before) * len(held_out) / max(len(sample), 1)
    count = _validations(recipe, steps, each) if held_out else 0
    tokens, cut = _tokens(setup.model, groups)
    phases = 2 if recipe.adapters.method == "sparse" else 1
    if phases == 2:
        steps += recipe.adapters.first_steps or steps
    return Plan(
        out=recipe.out,
        kind=recipe.model.kind,
        start=recipe.model.start,
        losses=setup.losses,
        groups=len(groups),
        texts=sum(len(g.candidates) for g in groups),
        tokens=tokens,
        cut=cut,
        valid_groups=len(held_out),
        epochs=each,
        steps=steps,
        batch=recipe.optimiser.batch,
        accumulate=recipe.optimiser.accumulate,
        weights=sum(p.numel() for p in weights),
        trained=sum(p.numel() for p in trained),
        fixed=sum(p.numel() * p.element_size() for p in [*weights, *trained * 3]),
        memory=_peak(device),
        seconds_a_step=seconds,
        validations=count,
        seconds_a_validation=validation,
        seconds=steps * seconds + count * validation,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "the CPU",
        threads=torch.get_num_threads(),
    )


def _spread(groups: Sequence[Group], batches: Batches) -> list[list[Group]]:
    """Batches of an epoch from the shortest texts to the longest: one in the middle of each equal part."""
    made = sorted(batches, key=lambda batch: sum(batches.sizes[i] for i in batch))
    n = min(TIMED, len(made))
    return [[groups[i] for i in made[(2 * part + 1) * len(made) // (2 * n)]] for part in range(n)]


def _timed(setup: Setup, recipe: Recipe, batches: Sequence[Sequence[Group]], device: torch.device) -> float:
    """Seconds of a step: the mean over the batches, after one that isn't counted, and the optimiser's."""
    module, o = setup.module, recipe.optimiser
    module.train()
    if recipe.model.kind == "language" and recipe.language.checkpointing:
        module.gradient_checkpointing_enable()
    trained = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0, fused=True)
    marks: list[tuple[float, float]] = []
    for groups in [batches[-1], *batches]:  # the longest first: it reserves the memory
        begin = time.perf_counter()
        batch = setup.collate(list(groups))
        inputs = moved(batch, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=o.bf16):
            loss = setup.objective(module, inputs, 0.0)
        if loss.requires_grad:
            torch.autograd.backward(loss)
        middle = _now(device)
        optimiser.step()
        optimiser.zero_grad()
        marks.append((middle - begin, _now(device) - middle))
    batch_seconds, update = (statistics.fmean(m[i] for m in marks[1:]) for i in (0, 1))
    return o.accumulate * batch_seconds + update


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _validations(recipe: Recipe, steps: int, epochs: float) -> int:
    """The validations of a training: those on the way, one before it and one after it."""
    return 2 + (steps // recipe.check.every if recipe.check.every else max(1, round(epochs)))


def _tokens(model: Any, groups: Sequence[Group]) -> tuple[int, float]:
    """(about the tokens of all queries and texts, the share of texts that are longer than the model reads), by a sample
    of groups."""
    rng = random.Random(0)
    sample = rng.sample(list(groups), min(len(groups), max(1, SAMPLE * len(groups) // sum(map(_texts, groups)))))
    texts = [text_of(c) for g in sample for c in (g.query, *(c.content for c in g.candidates))]
    count = sum(len(ids) for ids in model.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"])
    cut = 0
    if isinstance(model, Truncates):
        cut = sum(model.truncated([g.query for g in sample], [g.scored() for g in sample]))
    return round(count * len(groups) / len(sample)), cut / len(texts)


def _texts(group: Group) -> int:
    return 1 + len(group.candidates)


def _peak(device: torch.device) -> int:
    """The most memory held so far, in bytes: of the GPU, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _size(number: int) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    """
    >>> _duration(42), _duration(600), _duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
