"""Loading of transformers models: safetensors or GGUF, never a pickle, never code from a hub."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import tempfile
from collections.abc import Collection, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from ...core.errors import InputError, MissingExtra, ModelError
from ...hub.fingerprint import files
from ...hub.registry import cache_folder

log = logging.getLogger(__name__)


def torch_module(extra: str = "torch") -> Any:
    """The module torch. Raises MissingExtra, with the extra to install, without torch or transformers."""
    for package in ("torch", "transformers"):
        try:
            module = __import__(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            raise MissingExtra(package, extra) from None
        if package == "torch":
            torch = module
    return torch


def device_of(name: str) -> str:
    """The named device; "" is the first GPU if there is one, else the CPU."""
    return name or ("cuda" if torch_module().cuda.is_available() else "cpu")


def dtype_of(name: str, device: str) -> Any:
    """The torch dtype of ``name``; "auto" is bfloat16 if the machine multiplies it fast, else float32."""
    torch = torch_module()
    names = {
        "bfloat16": "bfloat16",
        "bf16": "bfloat16",
        "float16": "float16",
        "fp16": "float16",
        "float32": "float32",
        "fp32": "float32",
    }
    if name == "auto":
        return torch.bfloat16 if _fast_bf16(device) else torch.float32
    if name not in names:
        raise InputError(f"dtype {name!r}: expected auto, bfloat16, float16 or float32")
    return getattr(torch, names[name])


@cache
def _fast_bf16(device: str) -> bool:
    torch = torch_module()
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    try:
        with open("/proc/cpuinfo") as file:
            return any(
                flag in line for line in file if line.startswith("flags") for flag in ("avx512_bf16", "amx_bf16")
            )
    except OSError:
        return False


def load(
    kind: str, path: str, *, dtype: str, device: str, revision: str | None, gguf_file: str | None, **options: Any
) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder, a .gguf file or a hub id. ``kind``: "classifier", or "lm" for the generating kind
    that the configuration names. A local GGUF file is unpacked once (`unpacked`).

    Raises ModelError if it can't be found or isn't safetensors.
    """
    torch = torch_module()
    number = dtype_of(dtype, device)
    import transformers as tf

    adapter = Path(path).expanduser()
    if (adapter / "adapter.json").is_file():  # a language model's adapter: its base is loaded, and the adapter merged
        from ...models.parts.adapter_folder import base_of, merge

        merged: Any
        base, own = str(base_of(adapter)), {"revision": None, "gguf_file": gguf_file}
        merged, tokenizer = load(kind, base, dtype=dtype, device=device, **own, **options)
        merge(merged, adapter)
        return merged.eval().requires_grad_(False), tokenizer
    source, gguf = _source(path, gguf_file)
    if gguf and Path(source).is_dir() and (folder := unpacked(Path(source) / gguf, number)):
        source, gguf = str(folder), None
    common = {"revision": revision, "trust_remote_code": False} | ({"gguf_file": gguf} if gguf else {})
    try:
        with quiet():
            tokenizer = tf.AutoTokenizer.from_pretrained(source, **common)
            if kind == "classifier":
                auto: Any = tf.AutoModelForSequenceClassification
            else:
                config = tf.AutoConfig.from_pretrained(source, **common)
                auto = tf.AutoModelForSeq2SeqLM if config.is_encoder_decoder else tf.AutoModelForCausalLM
            safe = {} if gguf else {"use_safetensors": True}
            model, info = auto.from_pretrained(
                source, dtype=number, output_loading_info=True, **safe, **common, **options
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"{path}: can't be loaded: {error}") from error
    _check_head(path, kind, model, info.get("missing_keys") or ())
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    model.eval().requires_grad_(False)
    head = model.get_output_embeddings()
    if head is not None:  # a slice that isn't contiguous would make torch copy the whole layer for each row
        head.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(), *inputs[1:]))
    return model.to(torch.device(device)), tokenizer


def unpacked(gguf: Path, number: Any) -> Path | None:
    """The folder of a GGUF file's weights as safetensors of a number format, in anyrank's cache; made at its first use,
    which takes about a minute. Unpacking takes transformers that long at every load. None, with a warning in the log,
    if the cache can't be written to.

    Raises ModelError if transformers can't read the file.
    """
    import transformers as tf

    form = str(number).removeprefix("torch.")
    folder = cache_folder() / "unpacked" / f"{gguf.stem}-{files(gguf)}-{form}"
    if (folder / "config.json").is_file():
        return folder
    log.info("%s is unpacked once, into %s", gguf.name, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent)
    except OSError as error:
        log.warning("%s is unpacked at every load: %s: set ANYRANK_CACHE to another folder", gguf.name, error)
        return None
    try:
        with quiet():
            source = {"gguf_file": gguf.name, "trust_remote_code": False}
            tokenizer = tf.AutoTokenizer.from_pretrained(str(gguf.parent), **source)
            packed = tf.AutoModelForCausalLM.from_pretrained(str(gguf.parent), dtype=number, **source)
            # A model read from GGUF can't be saved: a fresh one of the same configuration can.
            stated = {k: v for k, v in packed.config.to_dict().items() if k != "quantization_config"}
            auto: Any = tf.AutoModelForCausalLM
            model = auto.from_config(type(packed.config)(**stated), dtype=number)
            model.load_state_dict(packed.state_dict())
            model.generation_config = packed.generation_config
    except Exception as error:  # a damaged file makes its reader raise anything
        scratch.cleanup()
        raise ModelError(f"{gguf}: can't be unpacked: {error}") from error
    with scratch, quiet():
        fresh = Path(scratch.name) / "model"
        try:
            model.save_pretrained(fresh, safe_serialization=True)
            tokenizer.save_pretrained(fresh)
        except OSError as error:
            log.warning("%s is unpacked at every load: %s: set ANYRANK_CACHE to another folder", gguf.name, error)
            return None
        with contextlib.suppress(OSError):  # another process may have been quicker
            fresh.rename(folder)
    return folder if (folder / "config.json").is_file() else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' warnings, and without its progress bars if standard error is no terminal."""
    logging_: Any = importlib.import_module("transformers").utils.logging
    level, bars = logging_.get_verbosity(), logging_.is_progress_bar_enabled()
    gguf = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    own_bar = vars(gguf).get("tqdm")  # the bar of unpacking heeds no setting
    logging_.set_verbosity_error()
    if not sys.stderr.isatty():
        logging_.disable_progress_bar()
        if own_bar is not None:
            gguf.tqdm = partial(own_bar, disable=True)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        logging_.set_verbosity(level)
        if bars:
            logging_.enable_progress_bar()
        if own_bar is not None:
            gguf.tqdm = own_bar  # type: ignore[attr-defined]


def _check_head(path: str, kind: str, model: Any, missing: Collection[str]) -> None:
    """Raise ModelError if the weights have no head of the kind: transformers would start it at random."""
    body = model.base_model_prefix
    heads = sorted(name for name in missing if not name.startswith(f"{body}."))
    if not heads:
        return
    expected = "a classifier: it has no classification head" if kind == "classifier" else "a language model"
    raise ModelError(f"{path} is an encoder, not {expected} (its weights lack {', '.join(heads[:3])})")


def _source(path: str, gguf_file: str | None) -> tuple[str, str | None]:
    p = Path(path).expanduser()
    if p.suffix == ".gguf" and p.is_file():
        return str(p.parent), p.name
    if p.is_dir() and gguf_file and not (p / gguf_file).is_file():
        raise ModelError(f"{p / gguf_file}: the file doesn't exist")
    if not p.is_dir() and (p.is_absolute() or path.startswith((".", "~"))):
        raise ModelError(f"{path}: the folder doesn't exist")
    return (str(p) if p.is_dir() else path), gguf_file
