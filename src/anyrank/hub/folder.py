"""Reads a model's folder: its kind, runtime, weights, tokenizer, pooling, maximum length, activation and prefixes.

Sources are anyrank's own ``anyrank.json``, else the files of sentence-transformers, PyLate, ColBERT, transformers and
GGUF folders. Nothing is guessed from a name, and no pickle is opened.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..core.errors import ModelError
from .positions import most_tokens

ONNX = ("onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")
"""Names of an ONNX file, the preferred one first."""
KINDS = {
    "dense": "a dense encoder",
    "sparse": "a sparse encoder",
    "late": "a late-interaction model",
    "colbert": "a late-interaction model (ColBERT)",
    "unicoil": "a sparse encoder (uniCOIL)",
    "deepimpact": "a sparse encoder (DeepImpact)",
    "deepct": "a sparse encoder (DeepCT)",
    "coil": "an encoder of terms (COIL)",
    "cross": "a cross-encoder",
    "passages": "a cross-encoder of passages",
    "parade": "a cross-encoder of passages (PARADE)",
    "cedr": "a cross-encoder that compares words in every layer (CEDR)",
    "prettr": "a cross-encoder with lower layers apart (PreTTR)",
    "pyramid": "a cross-encoder with lower layers apart (Pyramid-ERNIE)",
    "tk": "a model of words in context (TK)",
    "language": "a language model",
    "verdict": "a language model that judges documents",
    "likelihood": "a language model that scores texts by their likelihood (BRIO)",
    "promptreps": "a language model that gives vectors (PromptReps)",
    "instructed": "a dense encoder with instructions",
    "generative": "a generative retriever",
    "clip": "an encoder of images and texts (CLIP)",
    "image_text": "an encoder of images and texts",
    "axial": "a model of peptides that sees all candidates together",
    "next_residue": "a model that proposes peptides",
}
LANGUAGE_TOO = ("verdict", "promptreps", "likelihood")
"""Kinds whose folder is that of a language model as well: ``hf:FOLDER`` opens it as one."""
ONNX_KINDS = ("dense", "sparse", "late", "cross")
IMAGE_KINDS = ("clip", "image_text")
"""Kinds that turn images and texts into vectors of one space."""
CLIPS = ("CLIPModel", "SiglipModel", "Siglip2Model", "ChineseCLIPModel", "AltCLIPModel", "AlignModel", "MetaClip2Model")
"""Classes of transformers with a tower for images and one for texts."""
POOLINGS = ("mean", "cls", "last", "max", "none")
RUNS: dict[str, tuple[str, ...]] = {
    "onnx": ONNX_KINDS,
    "torch": (),
    "clip": IMAGE_KINDS,
    "hf": ("language", "cross"),
    "llamacpp": ("language",),
}
"""The kinds that each runtime runs; torch runs all but language models and encoders of images."""
_ALIASES = {"bi": "dense", "lm": "language", "seq2seq": "language"}
_FILES = {"late.safetensors": "late", "knrm.json": "knrm"}
"""Files that tell the kind of a model of ours that was trained before its folder had an anyrank.json."""
_CLASSES = {"Axial": "axial", "NextResidue": "next_residue"}
"""Kinds of models of peptides, by the class that an axial.json names."""
_ENCODER = "it turns texts into vectors: use it as model({0!r})"
_JUDGE = "it scores candidates by itself: use it after '>>' as model({0!r})"
_USES = {
    "dense": _ENCODER,
    "sparse": _ENCODER,
    "late": _JUDGE,
    "colbert": _ENCODER,
    **dict.fromkeys(("unicoil", "deepimpact", "deepct", "coil"), _ENCODER),
    "cross": _JUDGE,
    **dict.fromkeys(("instructed", *IMAGE_KINDS), _ENCODER),
    "language": "a method ranks by it: use it as rankgpt({0!r}) or another method",
    "generative": "it finds documents of the index that it was trained on: use it as generative({0!r})",
    "axial": "use it as ranknovo({0!r})",
    "next_residue": "use it by anyrank peptides propose",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A model as its folder declares it.

    ``kind`` is one of `KINDS` ("late" is anyrank's own late interaction, "colbert" the published one) or the name
    of a file in `anyrank.models` ("knrm", "axial", …); ``runtime`` is the module of `anyrank.backends` that runs it.
    ``onnx`` and ``gguf`` are the file of that format, if the runtime reads one.
    ``pooling``: "mean", "cls", "last", "max", or "none" if the graph itself pools; ``activation`` of a cross-encoder's
    logits: "none" or "sigmoid"; ``max_length`` in tokens; prefixes are put before queries and documents; ``scales``
    of a late interaction's parts: weighted tokens, even tokens, means. ``languages``: ISO codes of those that it reads,
    "multilingual" for many, none if not stated. ``base`` is set if the folder holds an adapter of that model alone.

    ``name`` is the name that the user gave. ``hub`` and ``revision`` are set if the hub's client fetches the weights
    when they are first needed.
    """

    kind: str
    runtime: str
    folder: Path
    onnx: Path | None = None
    gguf: Path | None = None
    tokenizer: Path | None = None
    max_length: int = 256
    pooling: str = "mean"
    normalise: bool = False
    activation: str = "none"
    query_prefix: str = ""
    document_prefix: str = ""
    scales: tuple[float, ...] = (1.0, 1.0, 1.0)
    languages: tuple[str, ...] = ()
    base: str = ""
    name: str = ""
    hub: str = ""
    revision: str = ""

    @property
    def path(self) -> str:
        """The path for a loader: the hub id, the GGUF file, or the folder."""
        return self.hub or str(self.gguf or self.folder)

    @property
    def described(self) -> str:
        """The kind in words, and its use: "runs/x is a dense encoder: it turns texts into vectors: use it as …"."""
        name = self.name or str(self.folder)
        use = _USES.get(self.kind, _JUDGE).format(name)
        return f"{name} is {KINDS.get(self.kind, f'a model of kind {self.kind}')} ({use})"


STATED = {f.name for f in fields(Declared)} - {"folder", "onnx", "gguf", "tokenizer", "name", "hub", "revision"}
"""The fields that ``anyrank.json`` may have."""


def read(path: Path, *, runtime: str = "", files: Collection[str] | None = None, name: str = "") -> Declared:
    """The model in a folder, or of one ``.gguf`` file.

    ``runtime`` asks for one of its runtimes in place of the default (an ONNX file if there is one, else torch; for
    language models transformers). ``files`` are the names of all files of a hub repository of which ``path`` holds only
    the configuration yet. Raises ModelError if there are no weights that can be run, or no known kind.
    """
    if path.suffix == ".gguf" and path.is_file():
        return _gguf(path, runtime, name or str(path))
    if not path.is_dir():
        raise ModelError(f"{path}: expected a model's folder, with an ONNX file and tokenizer.json")
    weights = _Weights.of(path, _names(path) if files is None else files)
    stated = _json(path / "anyrank.json")
    kind = "" if stated else _earlier(path)
    model = _ours(path, stated) if stated else _theirs(path, weights, kind)
    if runtime == "hf" and model.kind in LANGUAGE_TOO:
        model = replace(model, kind="language")
    model = replace(model, name=name or str(path))
    return _runnable(model, weights, runtime or str(stated.get("runtime", "")))


def needed_files(names: Collection[str], runtime: str = "") -> list[str]:
    """The files of a hub repository to fetch: configuration, tokenizer, and one set of weights, ONNX
    if there is one, else safetensors, else GGUF. Never pickles or code.

    >>> needed_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "modeling.py"])
    ['config.json', 'onnx/model.onnx']
    >>> needed_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"], "torch")
    ['config.json', 'model.safetensors']
    """
    weights = _Weights.of(Path(), names)
    chosen = {str(weights.onnx.as_posix())} if weights.onnx is not None else set()
    if runtime in ("torch", "hf", "clip") or not chosen:
        chosen = {n for n in names if "/" not in n and n.endswith(".safetensors")}
        chosen |= {n for n in names if n.endswith(".safetensors") and _module(n)}
    if not chosen or runtime == "llamacpp":
        chosen = {n for n in names if n.endswith(".gguf")} if len(weights.ggufs) == 1 else set()
    external = {n for n in names if any(n.startswith((f"{c}_data", f"{c}.data")) for c in chosen if ".onnx" in c)}
    return sorted(chosen | external | set(configuration_files(names)))


def configuration_files(names: Collection[str]) -> list[str]:
    """The configuration and tokenizer files of a hub repository.

    >>> configuration_files(["config.json", "1_Pooling/config.json", "onnx/config.json", "model.onnx", "vocab.txt"])
    ['1_Pooling/config.json', 'config.json', 'vocab.txt']
    """
    plain = ("vocab.txt", "merges.txt", "artifact.metadata", "chat_template.jinja")
    return sorted(
        n for n in names if n in plain or (n.endswith((".json", ".model", ".jinja")) and ("/" not in n or _module(n)))
    )


def _module(name: str) -> bool:
    """True if a file is in the folder of a sentence-transformers module, such as 1_Pooling/config.json."""
    head, slash, rest = name.partition("/")
    return bool(slash) and "/" not in rest and head.partition("_")[0].isdigit()


@dataclass(frozen=True, slots=True)
class _Weights:
    """The weights in a folder: an ONNX file, GGUF files, whether there are safetensors, and the names of pickles."""

    onnx: Path | None
    ggufs: tuple[Path, ...]
    safetensors: bool
    pickles: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, names: Collection[str]) -> _Weights:
        onnx = next((folder / name for name in ONNX if name in names), None)
        top = sorted(n for n in names if "/" not in n)
        return cls(
            onnx,
            tuple(folder / n for n in top if n.endswith(".gguf")),
            any(n.endswith(".safetensors") for n in top),
            tuple(n for n in top if n.endswith((".bin", ".pt", ".pth", ".h5", ".ckpt"))),
        )


def _names(folder: Path) -> list[str]:
    """Files at the top of a folder and one level below, as a hub's listing has them."""
    return [p.relative_to(folder).as_posix() for pattern in ("*", "*/*") for p in folder.glob(pattern) if p.is_file()]


def _json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {error}") from error


def _gguf(path: Path, runtime: str, name: str) -> Declared:
    if runtime not in ("", "hf", "llamacpp"):
        raise ModelError(f"{path}: a GGUF file runs with hf (transformers) or llamacpp, not with {runtime}")
    return Declared("language", runtime or "hf", path.parent, gguf=path, name=name)


def _runnable(model: Declared, weights: _Weights, runtime: str) -> Declared:
    """The model with its runtime and the file of weights that the runtime reads."""
    folder, language = model.folder, model.kind == "language"
    if model.base:
        choices = {"hf" if language else "torch": weights.safetensors}
    elif model.kind in IMAGE_KINDS:
        choices = {"clip": weights.safetensors}
    elif language:
        choices = {"hf": weights.safetensors or bool(weights.ggufs), "llamacpp": bool(weights.ggufs)}
    else:
        choices = {
            "onnx": weights.onnx is not None and model.kind in ONNX_KINDS,
            "torch": weights.safetensors,
            "hf": weights.safetensors and model.kind == "cross",
        }
    possible = [name for name, available in choices.items() if available]
    if not possible and model.kind not in KINDS:
        raise ModelError(
            f"{folder}: kind {model.kind!r} is none of {', '.join(KINDS)}, and no safetensors are here for"
            f" a model of another kind"
        )
    if not possible:
        raise ModelError(f"{folder}: {_no_weights(weights, language)}")
    if runtime and runtime not in possible:
        raise ModelError(_wrong_runtime(runtime, model, possible))
    runtime = runtime or possible[0]
    model = replace(model, runtime=runtime, tokenizer=folder / "tokenizer.json")
    if runtime == "onnx":
        if not (folder / "tokenizer.json").is_file():
            raise ModelError(f"{folder}: no tokenizer.json: save the model's fast tokenizer there (save_pretrained)")
        if model.pooling not in ("mean", "cls", "none"):
            raise ModelError(
                f"{folder}: pooling {model.pooling} is not supported for an ONNX file: expected mean or cls"
            )
        return replace(model, onnx=weights.onnx)
    if language and weights.ggufs and (runtime == "llamacpp" or not weights.safetensors):
        if len(weights.ggufs) > 1:
            files = ", ".join(p.name for p in weights.ggufs)
            raise ModelError(f"{folder}: several GGUF files ({files}): give the path of one of them")
        return replace(model, gguf=weights.ggufs[0])
    return model


def _wrong_runtime(runtime: str, model: Declared, possible: list[str]) -> str:
    """The reason why a model can't run with the requested runtime."""
    if runtime not in RUNS:
        return f"{model.name}: no runtime {runtime!r}: there are {', '.join(RUNS)}"
    fits = model.kind in RUNS[runtime] if RUNS[runtime] else model.kind not in ("language", *IMAGE_KINDS)
    if not fits:
        kinds = " or ".join(KINDS[k] for k in RUNS[runtime]) or "an encoder or a reranker"
        return f"{model.described}, not {kinds}: {runtime} can't run it"
    missing = {"onnx": "ONNX file", "llamacpp": "GGUF file"}.get(runtime, "*.safetensors")
    return f"{model.name} has no {missing} for {runtime}: leave the runtime out, or choose {' or '.join(possible)}"


def _no_weights(weights: _Weights, language: bool) -> str:
    if weights.pickles:
        return (
            f"only {', '.join(weights.pickles)}, which may be a pickle and is never opened: save it once as safetensors"
            f" (save_pretrained of transformers does), or export it with `optimum-cli export onnx --model FOLDER "
            f"FOLDER/onnx`"
        )
    if language:
        return "no weights (*.safetensors or *.gguf)"
    return f"no weights: neither an ONNX file ({' or '.join(ONNX)}) nor *.safetensors"


def _ours(folder: Path, stated: Mapping[str, Any]) -> Declared:
    """The model as its anyrank.json declares it. Unknown fields are the model's own options, but an error for the kinds
    that ONNX runs, which have none."""
    path = folder / "anyrank.json"
    options = {k: v for k, v in stated.items() if k in STATED}
    kind = _ALIASES.get(str(stated.get("kind")), stated.get("kind"))
    unknown = sorted(stated.keys() - STATED)
    if unknown and (kind is None or kind in ONNX_KINDS):
        raise ModelError(f"{path}: unknown fields {', '.join(unknown)}: there are {', '.join(sorted(STATED))}")
    if not isinstance(kind, str) or not kind.isidentifier():
        raise ModelError(f"{path}: kind {kind!r} is none of {', '.join(KINDS)}, nor the name of a model's file")
    try:
        model = Declared(**{**options, "kind": kind, "runtime": "", "folder": folder})
        model = replace(model, scales=tuple(map(float, model.scales)), languages=tuple(map(str, model.languages)))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from error
    if model.pooling not in POOLINGS:
        raise ModelError(f"{path}: pooling {model.pooling!r:.80} is none of {', '.join(POOLINGS)}")
    if type(model.max_length) is not int or model.max_length < 3:
        raise ModelError(f"{path}: max_length {model.max_length!r:.80}: expected at least 3 tokens")
    if model.activation not in ("none", "sigmoid"):
        raise ModelError(f"{path}: activation {model.activation!r:.80} is neither none nor sigmoid")
    for name in ("query_prefix", "document_prefix"):
        if not isinstance(getattr(model, name), str):
            raise ModelError(f"{path}: {name} {getattr(model, name)!r:.80} is no text")
    if len(model.scales) != 3:
        raise ModelError(f"{path}: expected three scales, found {len(model.scales)}")
    return model


def _earlier(folder: Path) -> str:
    """The kind of a model of ours without anyrank.json; empty if it is none."""
    if isinstance(config := _json(folder / "axial.json"), dict) and config:
        return _CLASSES.get(str(config.get("kind")), "")
    return next((kind for file, kind in _FILES.items() if (folder / file).is_file()), "")


def _theirs(folder: Path, weights: _Weights, kind: str = "") -> Declared:
    """The model as the files of other libraries declare it; a ``kind`` of ours that is known already needs only their
    longest text."""
    config, listed = _json(folder / "config.json"), _json(folder / "modules.json")
    modules = [str(m.get("type", "")) for m in listed] if isinstance(listed, list) else []
    leaves = {m.rsplit(".", 1)[-1] for m in modules}
    sentence = _json(folder / "config_sentence_transformers.json")
    family = sentence.get("model_type")
    architectures = [str(a) for a in config.get("architectures") or ()]

    def one(*endings: str) -> bool:
        return any(a.endswith(endings) for a in architectures)

    base = Declared("", "", folder, max_length=_length(folder, config), pooling="none")
    if kind:
        return replace(base, kind=kind)
    prefixes = _prefixes(sentence)
    if routed := leaves & {"Router", "Asym"}:
        raise ModelError(
            f"{folder}: {', '.join(routed)} sends queries and documents through different modules, which "
            f"anyrank doesn't run"
        )
    if "CLIPModel" in leaves:
        raise ModelError(
            f"{folder}: sentence-transformers' form of a CLIP model isn't read: name the model of transformers "
            "that it was made from, as openai/clip-vit-base-patch32"
        )
    if not modules and any(a in CLIPS for a in architectures):
        return replace(base, kind="clip", normalise=True)
    late = (folder / "artifact.metadata").is_file() or any(m.startswith("pylate.") for m in modules)
    if late or family == "MultiVectorEncoder" or "MultiVectorMask" in leaves or one("ColBERT"):
        length = sentence.get("document_length") or base.max_length
        return replace(base, kind="colbert", max_length=int(length), **_late_prefixes(sentence, prefixes))
    generates = one("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    if one("ForSequenceClassification") or (family == "CrossEncoder" and not generates):
        return replace(base, kind="cross", activation=_activation(config, sentence))
    if family == "SparseEncoder" or "SpladePooling" in leaves or (not modules and one("ForMaskedLM")):
        return replace(base, kind="sparse", **prefixes)
    if generates and (not modules or family == "CrossEncoder"):
        return replace(base, kind="language")
    if modules or one("Model"):
        # Without a Normalize module the stated similarity decides; sentence-transformers' default is the cosine.
        cosine = (sentence.get("similarity_fn_name") or "cosine") == "cosine"
        normalise = not modules or "Normalize" in leaves or cosine
        return replace(base, kind="dense", pooling=_pooling(folder, listed), normalise=normalise, **prefixes)
    if not config and weights.ggufs:
        return replace(base, kind="language")
    raise ModelError(
        f"{folder}: can't tell what kind of model this is (architectures {architectures}): say so in "
        f'{folder / "anyrank.json"}, e.g. {{"kind": "dense", "pooling": "mean", "normalise": true, "max_length": 256}}'
    )


def _prefixes(sentence: Mapping[str, Any]) -> dict[str, Any]:
    """Prompts as sentence-transformers chooses them for queries and documents."""
    prompts = sentence.get("prompts") or {}
    default = prompts.get(sentence.get("default_prompt_name") or "") or ""
    document = next((prompts[n] for n in ("document", "passage", "corpus") if prompts.get(n)), default)
    return {"query_prefix": prompts.get("query") or default, "document_prefix": document}


def _late_prefixes(sentence: Mapping[str, Any], prefixes: Mapping[str, Any]) -> dict[str, Any]:
    """PyLate's own fields for the markers of queries and documents, else the prompts."""
    return {name: sentence.get(name) or prompt for name, prompt in prefixes.items()}


def _length(folder: Path, config: Mapping[str, Any]) -> int:
    """The smallest limit that is stated; 256 if none is."""
    limits = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        most_tokens(config),
    )
    stated = [int(n) for n in limits if n and 0 < n < 1_000_000]
    return min(stated, default=256)


def _pooling(folder: Path, modules: Any) -> str:
    paths = [m.get("path") for m in modules or () if str(m.get("type", "")).endswith(".Pooling")]
    folder = folder / ((paths[0] if paths else "") or "1_Pooling")
    config = _json(folder / "config.json")
    modes = {k.removeprefix("pooling_mode_") for k, v in config.items() if k.startswith("pooling_mode_") and v is True}
    if isinstance(mode := config.get("pooling_mode"), str):
        modes.add(mode)
    names = {
        "mean_tokens": "mean",
        "cls_token": "cls",
        "mean": "mean",
        "cls": "cls",
        "lasttoken": "last",
        "max_tokens": "max",
        "max": "max",
    }
    if not modes <= names.keys() or len(modes) > 1:
        raise ModelError(
            f"{folder}: pooling {', '.join(sorted(modes))} is not supported: expected mean, cls, last or max"
        )
    return names[modes.pop()] if modes else "mean"


def _activation(config: Mapping[str, Any], sentence: Mapping[str, Any]) -> str:
    """The activation as sentence-transformers chooses it: the stated one, else a sigmoid if there is one label."""
    stated = (
        sentence.get("activation_fn")
        or (config.get("sentence_transformers") or {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
    )
    if stated:
        return "sigmoid" if "Sigmoid" in str(stated) else "none"
    labels = config.get("num_labels") or len(config.get("id2label") or {"0": "", "1": ""})
    return "sigmoid" if labels == 1 else "none"
