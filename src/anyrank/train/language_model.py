"""Listwise training of a causal language model: the prompts of our judges, with the order of the list as the answer.

language   -log p of every token of "[B] > [A] > [C]", the prompt masked (RankZephyr); ``importance`` weighs the
           tokens of the first ranks more (full ranking, arXiv 2412.14574)
rank       a rank loss over the logits of the labels at the position of the first label (FIRST, arXiv 2406.15657)
combined   language + weight x rank, without the rank loss of a batch if it isn't finite
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.types import Query
from ..llm.prompts import Template
from ..llm.templates import FIRST_TOKEN, LISTWISE
from ..llm.token_ids import continued, render
from ..models.parts.adapter_folder import write
from . import causal
from .adapters import insert, write_peft
from .group import Group
from .losses import RANK_WEIGHTS, Loss, combine, importance_weights, language_loss, own_targets
from .losses.language import IGNORED
from .recipe import Adapters, Language, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of a prompt, of its answer, and of each label at the position of the first (() if labels take more than
    one token)."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Listwise:
    """A causal model (with its adapter, if it has one), its tokenizer, and the settings of prompts. ``max_length`` is
    the longest prompt with its answer, in tokens."""

    model: Any
    tokenizer: Any
    spec: Language
    max_length: int
    adapters: Adapters = Adapters()
    start: str = ""
    kind: str = "language"

    @classmethod
    def load(cls, recipe: Recipe) -> Listwise:
        """The model that a recipe starts from, under a fresh adapter if the recipe has one."""
        spec = recipe.language
        model, tokenizer = causal.load(recipe.model.start, spec.dtype)
        if (adapters := adapters_of(recipe)).method != "none":
            model = insert(model, adapters, task="CAUSAL_LM")
        return cls(model, tokenizer, spec, recipe.model.max_length, adapters, recipe.model.start)

    @property
    def template(self) -> Template:
        """The prompt of our own judges, so that the trained model is used as it was trained."""
        own = FIRST_TOKEN if self.spec.labels == "letters" else LISTWISE
        return replace(own, words=self.spec.words)

    def row(self, group: Group) -> Row:
        """A group as ids. Raises InputError if it is too long, or if a rank loss needs labels of one token and these
        aren't."""
        template, n = self.template, len(group.candidates)
        members = list(group.named())
        form = partial(self.tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
        prompt = template.render(Query(group.id, group.query), members).prompt
        text, beginning, templated = render(form if self.tokenizer.chat_template else None, prompt)
        marks, best = template.labels.marks(n), sorted(range(n), key=lambda i: -group.labels[i])
        answer = " > ".join(marks[i] for i in best).removeprefix(beginning)
        names = [(template.labels.open + name).removeprefix(beginning) for name in template.labels.names(n)]
        encode = partial(self._encode, special=not templated)
        tokens = continued(encode, text + beginning, [answer, *names], self.tokenizer.bos_token_id)
        end = (self.tokenizer.eos_token_id,) if self.spec.end else ()
        single = {ids for ids in tokens.options[1:] if len(ids) == 1}
        labels = tuple(ids[0] for ids in tokens.options[1:]) if len(single) == n else ()
        if not labels and self.spec.objective != "language":
            raise InputError(
                f"{group.name}: {n} labels in {self.spec.labels} are not one token each: use letters, at most 26"
            )
        row = Row(tokens.ids, (*tokens.options[0], *end), labels)
        if (length := len(row.prompt) + len(row.answer)) > self.max_length:
            raise InputError(
                f"{group.name}: {length} tokens > max_length={self.max_length}: give fewer texts or less language.words"
            )
        return row

    def _encode(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=special)["input_ids"]
        return rows

    def collate(self, groups: Sequence[Group]) -> dict[str, Any]:
        """Groups as `LanguageObjective` takes them: padded on the left, so that all answers end together."""
        rows = [self.row(g) for g in groups]
        batch = self._padded([r.prompt + r.answer for r in rows])
        tail = max(len(r.answer) for r in rows)
        batch["answer"] = torch.tensor([[IGNORED] * (tail - len(r.answer)) + list(r.answer) for r in rows])
        batch["first"] = torch.tensor([tail - len(r.answer) for r in rows])
        width = max(len(g.candidates) for g in groups)
        if all(r.labels for r in rows):
            batch["names"] = torch.tensor([list(r.labels) + [0] * (width - len(r.labels)) for r in rows])
        batch["gold"] = torch.tensor([list(g.labels) + [0.0] * (width - len(g.labels)) for g in groups])
        batch["mask"] = torch.arange(width) < torch.tensor([[len(g.candidates)] for g in groups])
        return batch

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        length, pad = max(map(len, rows)), self.tokenizer.pad_token_id
        real = torch.tensor([[0] * (length - len(r)) + [1] * len(r) for r in rows])
        # Padding is on the left, so positions count from the first real token.
        return {
            "input_ids": torch.tensor([[pad] * (length - len(r)) + list(r) for r in rows]),
            "attention_mask": real,
            "position_ids": (real.cumsum(1) - 1).clamp(min=0),
        }

    def scores(self, groups: Sequence[Group], bf16: bool = False) -> list[list[float]]:
        """The logits of each group's labels at the position of the first label, by which `llm.first_token.FirstToken`
        ranks."""
        device, was_training, out = self.model.device, self.model.training, []
        self.model.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for group in groups:
                row = self.row(group)
                if not row.labels:
                    raise InputError("validation reads the first label: it needs labels of one token (letters)")
                batch = {k: v.to(device) for k, v in self._padded([row.prompt]).items()}
                logits = self.model(**batch, logits_to_keep=1, use_cache=False).logits[0, -1].float()
                out.append(logits[list(row.labels)].tolist())
        self.model.train(was_training)
        return out

    def save(self, folder: Path) -> None:
        """A folder for transformers and our own backends (``hf:FOLDER``); an adapter is merged into its model, and
        also saved alone in adapter/, or without ``adapters.merge`` saved alone."""
        adapters = self.adapters
        if adapters.method == "none" or adapters.merge:
            causal.save(self.model, self.tokenizer, folder)
        if adapters.method != "none":
            own = folder / "adapter" if adapters.merge else folder
            write_peft(self.model, own)
            write(own, self.kind, self.start, adapters.method, {}, max_length=self.max_length, runtime="hf")
            self.tokenizer.save_pretrained(own)


def adapters_of(recipe: Recipe) -> Adapters:
    """The adapters of a language model: those of the recipe, or ``language.lora``."""
    rank = recipe.language.lora
    return Adapters(method="lora", rank=rank) if rank else recipe.adapters


@dataclass(frozen=True, slots=True)
class LanguageObjective:
    """The loss of a batch of `Listwise.collate`, with the rank loss of the recipe, its options bound.
    ``separator`` is the id of " >", for ``spec.importance``."""

    spec: Language
    rank_loss: Loss
    separator: int = -1

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        answer = batch["answer"]
        inputs = {k: batch[k] for k in ("input_ids", "attention_mask", "position_ids")}
        logits = model(**inputs, logits_to_keep=answer.shape[1] + 1, use_cache=False).logits[:, :-1].float()
        weights = importance_weights(answer, self.separator) if self.spec.importance else None
        lm = language_loss(logits, answer, weights)
        if self.spec.objective == "language":
            return lm
        # [batch, vocabulary]: the prediction of the first label's token
        at = logits[torch.arange(len(logits), device=logits.device), batch["first"]]
        scores = at.gather(1, batch["names"])
        gold = own_targets(scores, batch["gold"], batch["mask"])
        rank = self.rank_loss(scores, gold, batch["mask"])
        if self.spec.objective == "rank":
            return rank
        whole, skipped = combine(lm, rank, self.spec.rank_weight or RANK_WEIGHTS.get(self.spec.rank_loss, 1.0))
        if skipped:
            log.warning("the rank loss of a batch was not finite and is left out")
        return whole


def separator(tokenizer: Any, labels: str) -> int:
    """The id of the token ">" between two labels. Raises InputError if the tokenizer has no such token."""
    a, b = ("[A]", "[B]") if labels == "letters" else ("[1]", "[2]")
    ids = tokenizer(f"{a} > {b}", add_special_tokens=False)["input_ids"]
    matches = [i for i in ids if tokenizer.decode([i]).strip() == ">"]
    if len(matches) != 1:
        raise InputError("language.importance needs a tokenizer in which '>' between labels is one token")
    return int(matches[0])
