"""The settings of sentence-transformers, PyLate and plain transformers folders: modules, pooling, prompts, longest
texts, projections. Only JSON and safetensors are opened.

`hub.folder` reads the same files for the kind of a model; this file reads what torch modules need beyond that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import ModelError, reason
from ...hub.registry import resolve

POOLING = {"cls": "cls", "mean": "mean", "max": "max", "last": "lasttoken"}
"""Our names of poolings, and those of sentence-transformers (in older files pooling_mode_mean_tokens and so on)."""
_OLDER = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "last"}
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


def json_of(path: Path) -> dict[str, Any]:
    """The object of a JSON file; an empty one if there is no such file. Raises ModelError if it isn't JSON."""
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {error}") from error


def folder_of(name: str | Path) -> Path:
    """The folder of a model: a local one as it is; of a hub id the one it is downloaded to. Raises ModelError if there
    is no such model."""
    path = Path(name).expanduser()
    return path if path.is_dir() else resolve(name, "torch")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's folder and its sentence-transformers modules: (class name, folder) of each, in order; none for a plain
    transformers folder."""

    folder: Path
    modules: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def of(cls, folder: Path) -> ModelFolder:
        """Reads modules.json. Raises ModelError if a module's class isn't supported."""
        path = folder / "modules.json"
        if not path.is_file():
            return cls(folder)
        try:
            modules = [
                (str(m["type"]).rsplit(".", 1)[-1], folder / m.get("path", ""))
                for m in json.loads(path.read_text("utf-8"))
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: can't be read: {reason(error)}") from error
        known = {
            "Transformer",
            "MLMTransformer",
            "Pooling",
            "Normalize",
            "Dense",
            "SpladePooling",
            "MultiVectorMask",
            "Dropout",
        }
        if unknown := [name for name, _ in modules if name not in known]:
            raise ModelError(
                f"{path}: the module {unknown[0]} isn't supported: supported are {', '.join(sorted(known))}"
            )
        return cls(folder, tuple(modules))

    def module(self, name: str) -> dict[str, Any] | None:
        """The configuration of the first module of a class; None if there is none."""
        path = next((p for n, p in self.modules if n == name), None)
        return None if path is None else json_of(path / "config.json")

    def has(self, name: str) -> bool:
        return any(n == name for n, _ in self.modules)

    @property
    def config(self) -> dict[str, Any]:
        """config_sentence_transformers.json."""
        return json_of(self.folder / "config_sentence_transformers.json")

    @property
    def transformer(self) -> dict[str, Any]:
        """sentence_bert_config.json: the settings of the transformer."""
        return json_of(self.folder / "sentence_bert_config.json")

    def pooling(self) -> str:
        """The pooling, one of POOLING; "" if none is stated. Raises ModelError on another one, and on several."""
        config = self.module("Pooling") or json_of(self.folder / "1_Pooling" / "config.json")
        if not config:
            return ""
        names = {theirs: ours for ours, theirs in POOLING.items()}
        mode = config.get("pooling_mode")
        if mode is None:
            on = [
                k.removeprefix("pooling_mode_")
                for k, v in config.items()
                if k.startswith("pooling_mode_") and v is True
            ]
            modes = [_OLDER.get(m, m) for m in on]
        else:
            modes = [names.get(m, m) for m in ([mode] if isinstance(mode, str) else mode)]
        if len(modes) != 1 or modes[0] not in POOLING:
            supported, names_of = ", ".join(POOLING), ", ".join(sorted(modes)) or "none"
            raise ModelError(
                f"{self.folder / '1_Pooling'}: pooling {names_of} isn't supported: expected one of {supported}"
            )
        if config.get("include_prompt") is False and any(self.prompts()):
            raise ModelError(
                f"{self.folder / '1_Pooling'}: include_prompt=false isn't supported: prompts are pooled too"
            )
        return str(modes[0])

    def prompts(self) -> tuple[str, str]:
        """The texts that sentence-transformers' encode_query and encode_document put before queries and documents."""
        prompts, usual = self.config.get("prompts") or {}, self.config.get("default_prompt_name")
        first = _first(prompts, ("query",), usual)
        return first, _first(prompts, DOCUMENT_PROMPTS, usual)

    def max_length(self) -> int | None:
        """max_seq_length of sentence_bert_config.json, in tokens; None if it isn't stated."""
        length = self.transformer.get("max_seq_length")
        return int(length) if length else None

    def projections(self) -> nn.Sequential:
        """The Dense modules, in order, with their weights."""
        return nn.Sequential(*(Dense.of(path) for name, path in self.modules if name == "Dense"))


def _first(prompts: Mapping[str, str], names: Iterable[str], usual: str | None) -> str:
    """The first stated prompt of these names, else the default one, else nothing."""
    text = next((prompts[n] for n in names if prompts.get(n)), None)
    return text if text is not None else str(prompts.get(usual or "", "") or "")


class Dense(nn.Module):  # type: ignore[misc,unused-ignore]
    """A linear layer with an activation, and a residual connection if asked for: [..., in] to [..., out]."""

    def __init__(
        self, width: int, out: int, bias: bool = False, activation: nn.Module | None = None, residual: bool = False
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out, bias=bias)
        self.activation = activation or nn.Identity()
        self.add = residual
        if residual and width != out:
            self.residual = nn.Linear(width, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.linear(x))
        if self.add:
            out = out + (x if x.shape[-1] == out.shape[-1] else self.residual(x))
        return out

    @classmethod
    def of(cls, folder: Path) -> Dense:
        """A module of a sentence-transformers folder. Raises ModelError if it can't be read."""
        config = json_of(folder / "config.json")
        try:
            layer = cls(
                config["in_features"],
                config["out_features"],
                config.get("bias", True),
                _activation(config.get("activation_function", "torch.nn.modules.activation.Tanh"), folder),
                bool(config.get("use_residual", False)),
            )
            layer.load_state_dict(weights_of(folder))
        except (KeyError, TypeError, RuntimeError) as error:
            raise ModelError(
                f"{folder}: the Dense module can't be read: {' '.join(str(error).split())[:300]}"
            ) from error
        return layer

    def save(self, folder: Path, reads: str) -> None:
        """The module as sentence-transformers reads it; ``reads`` names its input and output:
        token_embeddings or sentence_embedding."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        kind = type(self.activation)
        config = {
            "in_features": self.linear.in_features,
            "out_features": self.linear.out_features,
            "bias": self.linear.bias is not None,
            "activation_function": f"{kind.__module__}.{kind.__qualname__}",
            "module_input_name": reads,
            "module_output_name": reads,
        } | ({"use_residual": True} if self.add else {})
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, folder / "model.safetensors"
        )


def _activation(path: str, folder: Path) -> nn.Module:
    """The activation of a dotted path into torch, which is made without arguments."""
    module, _, name = path.rpartition(".")
    kind = getattr(nn, name, None) if module.startswith("torch.") else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ModelError(f"{folder / 'config.json'}: the activation {path} isn't one of torch.nn")
    return kind()


def weights_of(folder: Path, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """The tensors of a folder's model.safetensors, all or those named. Raises ModelError if there is no such file or no
    such tensor."""
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        raise ModelError(f"{folder}: no model.safetensors: save the weights as safetensors (other files aren't opened)")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in (file.keys() if names is None else names)}
    except SafetensorError as error:
        raise ModelError(f"{path}: {error}") from error


def pooled(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector a text [texts, width] of states [texts, tokens, width], padded on either side; ``mask`` [texts,
    tokens] is 1 at real tokens.

    >>> states = torch.tensor([[[1.0], [4.0], [2.0], [9.0]]])
    >>> [pooled(states, torch.tensor([[1, 1, 1, 0]]), p).item() for p in ("mean", "cls", "max", "last")]
    [2.3333332538604736, 1.0, 4.0, 2.0]
    """
    weight = mask.to(states.dtype)[..., None]
    if pooling == "mean":
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
    if pooling == "max":
        return states.masked_fill(weight == 0, -torch.inf).amax(1)
    # The largest real position is the last token; the largest counted from the end is the first (padding on the left).
    positions = torch.arange(mask.shape[1], device=mask.device)
    last, reverse = (mask * positions).amax(1), (mask * positions.flip(0)).amax(1)
    at = last if pooling == "last" else mask.shape[1] - 1 - reverse
    return states.gather(1, at[:, None, None].expand(-1, 1, states.shape[2])).squeeze(1)
