"""Saving and loading of models that aren't transformers': the configuration as JSON, the weights as safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from ...core.errors import ModelError
from ..base import declare

CONFIG, WEIGHTS = "axial.json", "model.safetensors"


def save(model: Any, config: dict[str, Any], folder: Path) -> None:
    """Write a model's configuration and weights, and anyrank.json, into a folder, which is created."""
    from safetensors.torch import save_file

    declare(folder, model.kind)
    content = {"kind": type(model).__name__, **config}
    (folder / CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / WEIGHTS)


def load(kind: type[nn.Module], make: Callable[[dict[str, Any]], Any], folder: Path) -> Any:
    """The model of a folder: ``make`` builds it from its configuration. Raises ModelError if a file is missing or
    unreadable, or the folder holds another kind."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name}: expected a folder that 'anyrank peptides train' made")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if (stated := config.pop("kind")) != kind.__name__:
            raise ModelError(f"{folder}: holds a model of kind {stated}, not {kind.__name__}")
        model = make(config)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: the model can't be read: {' '.join(str(error).split())[:300]}") from error
    return model.eval()
