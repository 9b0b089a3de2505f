"""GRPO (arXiv 2402.03300): a language model samples answers to our judges' prompts, and is moved towards those whose
reward is above its mean.

Prompts are made of groups by the templates of the judges, so that the trained model is used as it was trained; rewards
are those of `rewards`; sampling, advantages, loss and checkpoints are trl's GRPOTrainer.
"""

from __future__ import annotations

import json
import logging
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..core.content import text_of
from ..core.errors import InputError, MissingExtra
from ..core.types import Candidate, Query
from ..io.files import atomic
from ..llm.prompts import Template
from ..llm.token_ids import render
from ..models.parts.peft_adapters import adapted
from . import causal
from .group import Group
from .recipe import Recipe
from .reinforce import Reinforce
from .reward_tasks import Task, task_of
from .rewards import Target

log = logging.getLogger(__name__)

REWARDS = "rewards.json"
"""The file of a training's rewards: before, after, and at each step."""


@dataclass(frozen=True, slots=True)
class Example:
    """The query and the documents of a prompt, and what is right."""

    query: Query
    members: tuple[Candidate, ...]
    target: Target


def examples(groups: Sequence[Group], spec: Reinforce, seed: int = 0) -> list[Example]:
    """The prompts of some groups, whose texts are shuffled by the seed and the group's id (or query). Groups without a
    text labelled above 0 (of the "best" task, without one above all others) are left out, and counted in the log.
    Raises InputError if none is left.

    >>> pair = Group.from_texts("q", ("a", "b"), (0.0, 1.0))
    >>> [(e.members[0].content, e.target.answer) for e in examples([pair], Reinforce(task="relevant"))]
    [('b', '1'), ('a', '0')]
    """
    out: list[Example] = []
    used = 0
    for group in groups:
        rng = random.Random(f"{seed}/{zlib.crc32((group.id or text_of(group.query)).encode())}")
        own = list(_of_group(group, spec, rng))
        used += bool(own)
        out += own
    if not out:
        raise InputError(f"rl.task {spec.task}: no group has texts that are relevant and texts that aren't")
    if used < len(groups):
        log.warning("%d of %d groups are left out: nothing tells their texts apart", len(groups) - used, len(groups))
    return out


def _of_group(group: Group, spec: Reinforce, rng: random.Random) -> Iterator[Example]:
    labels = group.grades or group.labels
    query, members = Query(group.id, group.query), group.named()
    relevant = [i for i, label in enumerate(labels) if label > 0]
    if not relevant or len(set(labels)) < 2:
        return
    if spec.task == "relevant":
        others = [i for i in range(len(members)) if i not in relevant]
        number = min(spec.negatives * len(relevant) or len(others), len(others))
        for i in [*relevant, *rng.sample(others, number)]:
            yield Example(query, (members[i],), Target(str(int(labels[i] > 0))))
        return
    order = rng.sample(range(len(members)), len(members))
    shuffled = tuple(members[i] for i in order)
    names = task_of(spec).template.labels.marks(len(members))
    top = max(labels)
    if spec.task == "best" and list(labels).count(top) > 1:
        return
    best = order.index(list(labels).index(top))
    positions = tuple(place for place, i in enumerate(order) if i in relevant)
    yield Example(query, shuffled, Target(names[best], len(members), positions))


def prompt_text(tokenizer: Any, template: Template, example: Example) -> str:
    """The text of a prompt, as our transformers backend gives it to the model; trl adds the tokenizer's own special
    tokens, so a beginning that they repeat is left out."""
    form = partial(tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
    prompt = template.render(example.query, list(example.members)).prompt
    text, beginning, templated = render(form if tokenizer.chat_template else None, prompt)
    first = tokenizer.bos_token or ""
    if templated and first and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id:
        text = text.removeprefix(first)
    return text + beginning


def run(
    recipe: Recipe,
    groups: Sequence[Group],
    valid: Sequence[Group],
    resume: bool,
    progress: bool,
    begin: Callable[[], None] = lambda: None,
) -> Any:
    """The training of a recipe with ``rl``; rewards are measured by greedy answers to the prompts of ``valid``, without
    it to the first 64 of training. ``begin`` is called when all is checked, before anything is written. Returns (model,
    rewards before, after, log)."""
    trainer_class = _trainer()
    spec, folder = recipe.rl, Path(recipe.out)
    task = task_of(spec)
    rows = examples(groups, spec, recipe.seed)
    model, tokenizer = causal.load(recipe.model.start, spec.dtype)
    tokenizer.padding_side = "left"
    model = adapted(model, spec.lora, spec.alpha, spec.dropout, spec.targets)
    texts = [prompt_text(tokenizer, task.template, row) for row in rows]
    check_lengths(tokenizer, texts, rows, recipe)
    held_out = examples(valid, spec, recipe.seed) if valid else rows[:64]
    before = measured(model, tokenizer, task, held_out, spec.tokens)
    log.info("before: %s", in_words(before))
    begin()
    trainer = trainer_class(model, tokenizer, recipe, task, texts, [row.target for row in rows], progress)
    trainer.go(resume)
    trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval()
    after = measured(trained, tokenizer, task, held_out, spec.tokens)
    log.info("after: %s", in_words(after))
    history = [dict(line) for line in trainer.state.log_history if "reward" in line]
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / REWARDS) as stream:
        curve = [{"step": line["step"], **_rewards_of(line)} for line in history]
        stream.write(json.dumps({"before": before, "after": after, "steps": curve}, indent=1) + "\n")
    causal.save(trained, tokenizer, folder)
    return trained, before, after, history


def _trainer() -> Any:
    try:
        from .grpo_trainer import Trainer
    except ModuleNotFoundError as error:
        if error.name not in ("trl", "datasets"):
            raise
        raise MissingExtra("trl", "rl") from error
    return Trainer


def _rewards_of(line: Mapping[str, float]) -> dict[str, float]:
    """The mean rewards of a line of trl's log: their sum, and each by its name."""
    parts = {k.split("/")[1]: v for k, v in line.items() if k.startswith("rewards/") and k.endswith("/mean")}
    return {"reward": line["reward"], **parts}


def check_lengths(tokenizer: Any, texts: Sequence[str], rows: Sequence[Example], recipe: Recipe) -> None:
    """Raises InputError on a prompt that leaves no room for an answer within ``model.max_length`` tokens."""
    for row, ids in zip(rows, tokenizer(list(texts))["input_ids"], strict=True):
        if len(ids) + recipe.rl.tokens > recipe.model.max_length:
            raise InputError(
                f"query {row.query.id or row.query.content!r}: a prompt of {len(ids)} tokens and answers of "
                f"{recipe.rl.tokens} > max_length={recipe.model.max_length}: give fewer texts (data.texts), less "
                "rl.words or rl.tokens, or raise model.max_length"
            )


def measured(
    model: Any, tokenizer: Any, task: Task, rows: Sequence[Example], tokens: int, batch: int = 16
) -> dict[str, float]:
    """The mean rewards of greedy answers, by name, and their sum as "reward"."""
    import torch

    totals = dict.fromkeys(task.rewards, 0.0)
    was_training = model.training
    model.eval()
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        texts = [prompt_text(tokenizer, task.template, row) for row in part]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
        inputs = {k: v.to(model.device) for k, v in inputs.items() if k != "token_type_ids"}
        with torch.inference_mode():
            ids = model.generate(
                **inputs, max_new_tokens=tokens, do_sample=False, temperature=None, top_p=None, top_k=None,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        answers = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for name, reward in task.rewards.items():
            totals[name] += sum(reward(task.template.assistant + a, row.target) for a, row in zip(answers, part))
    model.train(was_training)
    means = {name: total / len(rows) for name, total in totals.items()}
    return {"reward": sum(means.values()), **means}


def in_words(means: Mapping[str, float]) -> str:
    """Mean rewards in a line.

    >>> in_words({"reward": 1.5, "form": 1.0, "accuracy": 0.5})
    'reward 1.500, form 1.000, accuracy 0.500'
    """
    return ", ".join(f"{name} {value:.3f}" for name, value in means.items())
