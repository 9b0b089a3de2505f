"""What a model's folder says of itself: kind, ONNX file, tokenizer, pooling, longest text, activation, prefixes.

Read are our own ``anyrank.json``, and else the files of sentence-transformers and transformers folders. Names are never
guessed from, and pickles never opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..core.errors import ModelError

Kind = Literal["dense", "sparse", "cross", "late"]
ONNX = ("onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")


@dataclass(frozen=True, slots=True)
class Declared:
    """The facts. ``pooling``: "mean", "cls", or "none" where the graph pools; ``activation`` of a cross-encoder's
    logits: "none" or "sigmoid"; ``max_length`` in tokens; prefixes are put before queries and documents; ``scales`` of
    a late interaction's parts: weighted tokens, even tokens, means."""

    kind: Kind
    onnx: Path
    tokenizer: Path
    max_length: int = 256
    pooling: str = "mean"
    normalise: bool = False
    activation: str = "none"
    query_prefix: str = ""
    document_prefix: str = ""
    scales: tuple[float, ...] = (1.0, 1.0, 1.0)


def read(folder: Path) -> Declared:
    """What ``folder`` declares. Raises ModelError where it holds no ONNX file, no tokenizer.json, or no known kind."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: expected a model's folder, with an ONNX file and tokenizer.json")
    own = _json(folder / "anyrank.json")
    tokenizer = folder / "tokenizer.json"
    onnx = _onnx(folder)
    if not tokenizer.is_file():
        raise ModelError(f"{folder}: no tokenizer.json: save the model's fast tokenizer there (save_pretrained)")
    if own:
        return _ours(folder / "anyrank.json", own, onnx, tokenizer)
    return _theirs(folder, onnx, tokenizer)


def _ours(path: Path, said: Any, onnx: Path, tokenizer: Path) -> Declared:
    try:
        found = Declared(onnx=onnx, tokenizer=tokenizer, **said)
        found = replace(found, scales=tuple(map(float, found.scales)))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from error
    if found.kind not in get_args(Kind):
        raise ModelError(f"{path}: kind {found.kind!r} is none of {', '.join(get_args(Kind))}")
    if len(found.scales) != 3:
        raise ModelError(f"{path}: expected three scales, found {len(found.scales)}")
    return found


def _json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {error}") from error


def _onnx(folder: Path) -> Path:
    for name in ONNX:
        if (folder / name).is_file():
            return folder / name
    others = sorted(p.name for p in folder.glob("*") if p.suffix in (".safetensors", ".bin", ".pt", ".gguf"))
    mend = "export it once with `optimum-cli export onnx --model FOLDER FOLDER/onnx`"
    if any(name.endswith(".safetensors") for name in others):
        mend += ", or run its safetensors with torch: pip install 'anyrank[torch]'"
    found = f"only {', '.join(others)}" if others else "and no weights of another kind"
    raise ModelError(f"{folder}: no ONNX file ({' or '.join(ONNX)}), {found}: {mend}")


def _theirs(folder: Path, onnx: Path, tokenizer: Path) -> Declared:
    config = _json(folder / "config.json")
    modules = [str(m.get("type", "")).rsplit(".", 1)[-1] for m in _json(folder / "modules.json") or ()]
    sentence = _json(folder / "config_sentence_transformers.json")
    architectures = [str(a) for a in config.get("architectures") or ()]
    length = _length(folder, config)
    if any("ForSequenceClassification" in a for a in architectures) or sentence.get("model_type") == "CrossEncoder":
        return Declared("cross", onnx, tokenizer, length, "none", activation=_activation(config, sentence))
    if "SpladePooling" in modules or (not modules and any("MaskedLM" in a for a in architectures)):
        return Declared("sparse", onnx, tokenizer, length, "none")
    if modules or any(a.endswith("Model") for a in architectures):
        return Declared("dense", onnx, tokenizer, length, _pooling(folder), **_dense(modules, sentence))
    raise ModelError(
        f"{folder}: can't tell what kind of model this is (architectures {architectures}): say so in "
        f'{folder / "anyrank.json"}, e.g. {{"kind": "dense", "pooling": "mean", "normalise": true, "max_length": 256}}'
    )


def _dense(modules: list[str], sentence: dict[str, Any]) -> dict[str, Any]:
    prompts = sentence.get("prompts") or {}
    found = {"query_prefix": prompts.get("query") or "", "document_prefix": prompts.get("document") or ""}
    return {"normalise": not modules or "Normalize" in modules, **found}


def _length(folder: Path, config: dict[str, Any]) -> int:
    """The smallest limit that is stated; 256 where none is."""
    said = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    stated = [int(n) for n in said if n and 0 < n < 1_000_000]
    return min(stated, default=256)


def _pooling(folder: Path) -> str:
    said = _json(folder / "1_Pooling" / "config.json")
    modes = {
        *(k.removeprefix("pooling_mode_") for k, v in said.items() if k.startswith("pooling_mode_") and v is True),
        *([said["pooling_mode"]] if isinstance(said.get("pooling_mode"), str) else []),
    }
    if not modes <= {"mean_tokens", "cls_token", "mean", "cls"} or len(modes) > 1:
        raise ModelError(f"{folder / '1_Pooling'}: pooling {', '.join(sorted(modes))} is not known: mean or cls is")
    return "cls" if modes & {"cls_token", "cls"} else "mean"


def _activation(config: dict[str, Any], sentence: dict[str, Any]) -> str:
    """As sentence-transformers has it: the stated function, else a sigmoid where there is one label."""
    stated = (
        sentence.get("activation_fn")
        or (config.get("sentence_transformers") or {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
    )
    if stated:
        return "sigmoid" if "Sigmoid" in str(stated) else "none"
    labels = config.get("num_labels") or len(config.get("id2label") or {"0": "", "1": ""})
    return "sigmoid" if labels == 1 else "none"
