"""The model that an adaptation trains: the shipped `mini` with weights that can be trained, or another start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..hub.folder import read
from ..hub.registry import PACKAGE, resolve
from ..train.starts import start_folder

MINI = "all-minilm-l6-v2"
CALM: Mapping[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
"""One pass over many texts has nothing that dropout would guard from."""
KINDS = ("late", "cross")
LENGTH = 128
"""Tokens of a text that training and its checks read: twice as fast as 256, which the saved model reads again."""


def trainable(name: str) -> Any:
    """A torch model of ``mini`` (the floating-point weights of all-minilm-l6-v2, with the shipped weights of tokens),
    or of a folder or hub id of one of our kinds. Raises InputError for another kind, ModelError if there is no such
    model."""
    from ..models import model_class

    if name == "mini":
        from ..models.late import LateInteraction

        model: Any = LateInteraction.from_folder(resolve(MINI), max_length=256, **CALM)
        model.weigh.weight.data.copy_(_shipped_direction(model.weigh.weight))
        return model.eval()
    folder = start_folder(name)
    kind = read(folder).kind
    if kind not in KINDS:
        raise InputError(f"{name} is of kind {kind}: adapt trains {', '.join(KINDS)}")
    return model_class(kind).from_folder(folder).eval()


def _shipped_direction(like: Any) -> Any:
    """The direction of token weights in the shipped graph, which all-minilm-l6-v2 has no counterpart of."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(PACKAGE / "minilm" / "model.onnx")).graph
    array = next(numpy_helper.to_array(t) for t in graph.initializer if t.name == "weigh")
    return like.new_tensor(np.ascontiguousarray(array.T))


def weights_of(model: Any) -> dict[str, Any]:
    """A copy of a model's weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def average(model: Any, start: dict[str, Any], end: dict[str, Any], share: float) -> None:
    """Give a model the weights (1 - share) of the start and share of the end (WiSE-FT, arXiv 2109.01903)."""
    mixed = {
        name: (1 - share) * start[name] + share * value if value.is_floating_point() else value
        for name, value in end.items()
    }
    model.load_state_dict(mixed)


def save(model: Any, folder: Path) -> None:
    """Write a model and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)
