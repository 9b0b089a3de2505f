"""Adapters of a training: which weights of a model are trained, and what is saved of them.

Adapters of peft (`models.parts.peft_adapters`) and bottleneck adapters (`models.parts.bottleneck`) are here, sparse
fine-tunings in `lottery`; `setup.adapt` chooses.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from ..core.errors import InputError
from ..models.parts import bottleneck
from ..models.parts.adapter_folder import insert_language, write
from ..models.parts.peft_adapters import lora_settings, with_peft
from .recipe import Adapters, Recipe

IMPORTANCE = "adalora.safetensors"
"""The file of a checkpoint with the state of AdaLoRA that isn't in the weights."""


class Adapted(ABC):
    """A model under adapters during its training."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.spec = recipe.adapters

    @property
    def callbacks(self) -> Sequence[TrainerCallback]:
        """What the training loop calls."""
        return ()

    def penalty(self) -> Tensor | None:
        """A term that is added to the loss of every batch; None if there is none."""
        return None

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the folder of the adapter."""

    def merge(self) -> bool:
        """Merge the adapter into the model's weights; False if it can't be, or shall not be."""
        return False

    def save(self, folder: Path) -> None:
        """Write the merged model with its adapter in adapter/, or the adapter alone."""
        alone = not self.spec.merge or self.spec.method == "bottleneck"
        self.write(folder if alone else folder / "adapter")
        if self.merge():
            self.model.save(folder)
        elif alone:
            self.model.tokenizer.save_pretrained(folder)

    def described(self) -> str:
        """The adapters in words, for the model's card."""
        size = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        return f"{self.spec.method}, {size:,} weights trained"

    def head(self) -> dict[str, Tensor]:
        """The weights that are trained in full, by their names in the model."""
        own = dict(self.model.named_parameters())
        return {name: own[name].detach() for name in head_names(self.model)}

    def folder(self, folder: Path, tensors: Mapping[str, Tensor], **settings: Any) -> None:
        """Write the adapter's folder with some tensors, and the head."""
        m = self.recipe.model
        tensors = {**tensors, **{f"head:{name}": value for name, value in self.head().items()}}
        length = self.model.max_length
        write(
            folder,
            self.model.kind,
            m.start,
            self.spec.method,
            tensors,
            max_length=length,
            options=m.options,
            **settings,
        )


def body_of(model: Any) -> Any:
    """The transformer of a model. Raises InputError if it has none."""
    body = dict(model.named_children()).get("body")
    if body is None:
        raise InputError(f"adapters: a {model.kind} model holds no transformer: leave adapters out")
    return body


def head_names(model: Any) -> list[str]:
    """The names of the weights outside of the pretrained transformer: heads, projections, and of a classifier the
    pooling layer, which may be fresh. The head of a masked language model is pretrained."""
    body = body_of(model)
    encoder = body.base_model
    inside = "body." if encoder is body else f"body.{body.base_model_prefix}."
    masked = body.get_output_embeddings() is not None
    classifier = encoder is not body and not masked
    return [
        name
        for name, _ in model.named_parameters()
        if not name.startswith("body." if masked else inside) or (classifier and name.startswith(f"{inside}pooler."))
    ]


class Bottlenecks(Adapted):
    """Bottleneck adapters on a frozen model: a language's if the recipe names one, and the one that is trained."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        super().__init__(model, recipe)
        encoder = model.body.base_model
        if self.spec.language:
            insert_language(model, Path(self.spec.language))
        model.requires_grad_(False)
        bottleneck.insert(encoder, "task", self.spec.reduction, self.spec.coupling, self.spec.dropout)
        for module in encoder.modules():
            if isinstance(module, bottleneck.Slot) and "task" in module:
                module["task"].requires_grad_(True)
        require(model, head_names(model))
        if (head := model.body.get_output_embeddings()) is not None:
            bottleneck.undo_before(head, encoder)

    def write(self, folder: Path) -> None:
        own = bottleneck.weights(self.model.body.base_model, "task")
        tensors = {f"adapter:{name}": value for name, value in own.items()}
        language = str(Path(self.spec.language).resolve()) if self.spec.language else ""
        self.folder(folder, tensors, reduction=self.spec.reduction, coupling=self.spec.coupling, language=language)


class Peft(Adapted):
    """Adapters of peft. The model's transformer stays the same object: its layers are replaced in place."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        super().__init__(model, recipe)
        names = head_names(model)
        model.requires_grad_(False)
        self.peft = insert(model.body, self.spec, named=linear_layers if self.spec.method != "ln" else norms)
        require(model, names)

    @property
    def callbacks(self) -> Sequence[TrainerCallback]:
        return callbacks_of(self.spec, self.peft)

    def penalty(self) -> Tensor | None:
        return orthogonality(self.peft) if self.spec.method == "adalora" else None

    def write(self, folder: Path) -> None:
        write_peft(self.peft, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's card: the training's own tells more
        self.folder(folder, {})

    def merge(self) -> bool:
        if self.spec.merge:
            self.peft.merge_and_unload()
        return self.spec.merge


def require(model: Any, names: Sequence[str]) -> None:
    """Train the weights of these names."""
    own = dict(model.named_parameters())
    for name in names:
        own[name].requires_grad_(True)


def linear_layers(body: Any) -> list[str]:
    """The names of the linear layers of a transformer, its pooling layer left out."""
    return _within(body, lambda m: isinstance(m, nn.Linear))


def norms(body: Any) -> list[str]:
    """The names of the layer norms of a transformer."""
    return _within(body, lambda m: type(m).__name__.endswith("Norm"))


def _within(body: Any, wanted: Any) -> list[str]:
    encoder = body.base_model
    prefix = "" if encoder is body else f"{body.base_model_prefix}."
    return [prefix + n for n, m in encoder.named_modules() if wanted(m) and not n.startswith("pooler")]


def insert(body: Any, spec: Adapters, *, named: Any = None, task: str | None = None) -> Any:
    """A transformer under a fresh adapter of peft. ``named`` lists the modules that may be changed (default: what peft
    takes, all linear layers of a causal model). Raises InputError if the settings don't fit."""
    modules = named(body) if named else []
    targets: Any = list(spec.targets) or (None if spec.method == "ia3" else modules or "all-linear")
    if spec.targets and modules:
        targets = [n for n in modules if any(f".{n}".endswith(f".{t}") for t in spec.targets)]
        if not targets:
            last = sorted({n.rpartition(".")[2] for n in modules})
            raise InputError(
                f"adapters.targets: none of {', '.join(spec.targets)} is here: there are {', '.join(last)}"
            )
    return with_peft(body, spec.method, {**_settings(spec), "target_modules": targets, **spec.options}, task)


def _settings(spec: Adapters) -> dict[str, Any]:
    low_rank = lora_settings(spec.rank, spec.alpha, spec.dropout)
    if spec.method in ("lora", "dora"):
        return {**low_rank, "use_dora": True} if spec.method == "dora" else low_rank
    if spec.method == "adalora":
        # The schedule's real length is set when the training begins.
        ranks = {"target_r": spec.rank, "init_r": spec.rank + spec.rank // 2, "total_step": 10**9}
        return {**low_rank, **ranks}
    if spec.method in ("loha", "lokr"):
        return {"r": spec.rank, "alpha": low_rank["lora_alpha"], "module_dropout": spec.dropout}
    if spec.method == "vera":  # its random matrices are made again from their key
        return {"r": spec.rank, "vera_dropout": spec.dropout, "save_projection": False}
    if spec.method == "oft":
        return {"r": 0, "oft_block_size": spec.rank, "module_dropout": spec.dropout}
    return {"boft_block_size": spec.rank, "boft_dropout": spec.dropout} if spec.method == "boft" else {}


def write_peft(adapted: Any, folder: Path) -> None:
    """Write a peft adapter in its own form."""
    (config,) = adapted.peft_config.values()
    if config.peft_type == "ADALORA":
        config.rank_pattern = None  # the weights of the best checkpoint may have other ranks than the last
    adapted.save_pretrained(folder, save_embedding_layers=False)


def callbacks_of(spec: Adapters, adapted: Any) -> Sequence[TrainerCallback]:
    """What a training of peft's adapters calls: of AdaLoRA the allocation of ranks."""
    return (_Allocate(adapted, frozenset(spec.options)),) if spec.method == "adalora" else ()


def orthogonality(adapted: Any) -> Tensor:
    """AdaLoRA's term: the mean distance of its factors' products from the identity, times its weight."""
    (config,) = adapted.peft_config.values()
    parts = []
    for name, p in adapted.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            product = p @ p.T if "lora_A" in name else p.T @ p
            parts.append(torch.linalg.norm(product - torch.eye(len(product), device=p.device)))
    term: Tensor = config.orth_reg_weight * torch.stack(parts).mean()
    return term


@dataclass
class _Allocate(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Moves AdaLoRA's ranks between layers after each step: from a tenth of the training on, until the last three
    tenths, unless the options of the recipe say otherwise. Its averages are part of each checkpoint."""

    adapted: Any
    given: frozenset[str]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        (config,) = self.adapted.peft_config.values()
        steps = state.max_steps
        schedule = {
            "total_step": steps,
            "tinit": steps // 10,
            "tfinal": steps * 3 // 10,
            "deltaT": max(1, steps // 100),
        }
        for name, value in schedule.items():
            if name not in self.given:
                setattr(config, name, value)
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.global_step and (folder / IMPORTANCE).is_file():
            self._load(folder)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.adapted.base_model.update_and_allocate(state.global_step + 1)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        from safetensors.torch import save_file

        if not state.is_world_process_zero:
            return
        ranks, (config,) = self.adapted.base_model.rankallocator, self.adapted.peft_config.values()
        parts = {"ipt": ranks.ipt, "mean": ranks.exp_avg_ipt, "spread": ranks.exp_avg_unc}
        tensors = {f"{part}:{n}": t.contiguous() for part, each in parts.items() for n, t in each.items()}
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        save_file(tensors, folder / IMPORTANCE, {"rank_pattern": json.dumps(config.rank_pattern)})

    def _load(self, folder: Path) -> None:
        from safetensors import safe_open

        ranks, (config,) = self.adapted.base_model.rankallocator, self.adapted.peft_config.values()
        ranks.reset_ipt()
        parts = {"ipt": ranks.ipt, "mean": ranks.exp_avg_ipt, "spread": ranks.exp_avg_unc}
        with safe_open(folder / IMPORTANCE, "pt") as file:
            config.rank_pattern = json.loads(file.metadata()["rank_pattern"])
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition(":")
                parts[part][name] = file.get_tensor(key)
