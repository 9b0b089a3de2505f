"""Models by short name: those of the package and of pinned wheels (models.json, with hashes), and models of the hub
that are used most (catalog.json). `resolve` turns any name into a local folder.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import ModelError
from .huggingface import fetch, is_hub_id
from .wheels import Conversion, from_wheel

PACKAGE = Path(__file__).parents[1] / "weights"
TABLE = Path(__file__).with_name("models.json")
CATALOG = Path(__file__).with_name("catalog.json")
TASKS = {
    "dense": "retrieve",
    "sparse": "retrieve",
    "clip": "retrieve",
    "late": "rerank",
    "colbert": "rerank",
    "cross": "rerank",
    "language": "rerank",
}
"""The task of each kind of model, for rows that state none."""
SHIPPED = {"splade": "splade-tiny", "minilm": "minilm", "tiny": "anyrank-tiny"}
"""Names in pipelines of the models that come with the package; they name the same rows everywhere else."""


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A row of the registry.

    ``source``: "package", "wheel NAME==VERSION" (files lie under ``inside``), "model NAME" (another row's files, read
    in another way), or "hub OWNER/NAME" with an optional "@REVISION". ``files`` gives the sha256 and the size in bytes
    of each file, of packages and wheels only. ``maker`` is a module of this folder whose ``convert(source, folder)``
    makes these files of the wheel's files ``made_of``, where they aren't the wheel's own. ``declares`` holds fields of
    `anyrank.hub.folder.Declared` that the model's own files don't state, such as an encoder's prefixes.

    ``task``: "retrieve", "rerank" or "train". ``languages``: ISO 639-1 codes, "multilingual" if they are many, none
    for models that read no particular one. ``parameters`` in millions, ``context`` in tokens, 0 if not stated.
    ``figure``: what its authors measured, not verified here. ``use``: a pipeline that ranks by it. ``published``: the
    hub id under which the same files were published; that id is read from here once they are fetched.
    """

    name: str
    kind: str
    about: str
    licence: str
    source: str
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    inside: str = ""
    task: str = ""
    languages: tuple[str, ...] = ()
    parameters: float = 0.0
    context: int = 0
    figure: str = ""
    use: str = ""
    declares: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""
    maker: str = ""
    made_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def hub(self) -> str:
        """The hub id, with its revision if the row has one; empty for other models."""
        return self.source.removeprefix("hub ") if self.source.startswith("hub ") else ""

    @property
    def base(self) -> str:
        """The row whose files this one reads; empty for most."""
        return self.source.removeprefix("model ") if self.source.startswith("model ") else ""

    @property
    def folder(self) -> Path:
        """The folder of a shipped or a wheel's model, which may still have to be fetched."""
        if self.base:
            return find(self.base).folder
        return (PACKAGE if self.source == "package" else cache_folder()) / self.name

    @property
    def bytes(self) -> int:
        """The size of its files; 0 for models of the hub."""
        return find(self.base).bytes if self.base else sum(f["bytes"] for f in self.files.values())

    @property
    def complete(self) -> bool:
        """True if every file is on this machine with its stated size; False for hub models, whose cache isn't looked
        at."""
        if self.base:
            return find(self.base).complete
        return not self.hub and all(_size(self.folder / name) == f["bytes"] for name, f in self.files.items())

    @property
    def status(self) -> str:
        """ "shipped", "cached", "to fetch", "hub", or "missing" for a shipped model that isn't whole."""
        if self.hub:
            return "hub"
        shipped = (find(self.base) if self.base else self).source == "package"
        if self.complete:
            return "shipped" if shipped else "cached"
        return "missing" if shipped else "to fetch"

    def reads(self, language: str) -> bool:
        """True if it reads a language, by its ISO code."""
        return bool({language, "multilingual"} & set(self.languages))

    def as_row(self) -> dict[str, Any]:
        """A flat, JSON-ready form."""
        return {
            "name": self.name,
            "kind": self.kind,
            "task": self.task,
            "mb": round(self.bytes / 1e6, 1) if self.bytes else None,
            "parameters": self.parameters or None,
            "languages": list(self.languages),
            "context": self.context or None,
            "status": self.status,
            "licence": self.licence,
            "source": self.source,
            "figure": self.figure,
            "use": self.use,
            "about": self.about,
        }


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def cache_folder() -> Path:
    """The folder of models from wheels: $ANYRANK_CACHE, or the platform's cache folder."""
    if own := os.environ.get("ANYRANK_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anyrank"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "anyrank"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyrank"


@cache
def _table() -> dict[str, RegisteredModel]:
    rows: dict[str, Any] = {}
    for path in (TABLE, CATALOG):
        rows |= json.loads(path.read_text(encoding="utf-8"))
    for row in rows.values():
        row["languages"] = tuple(row.get("languages", ()))
        row.setdefault("task", TASKS.get(row["kind"], ""))
    return {name: RegisteredModel(name, **row) for name, row in rows.items()}


def list_models(*, task: str = "", language: str = "", kind: str = "", text: str = "") -> list[RegisteredModel]:
    """The models of the registry, shipped ones first: all, or those of a task, of a kind, that read a language, and
    whose name or description holds a text.

    >>> [m.name for m in list_models(task="rerank")][:2]
    ['mini', 'anyrank-tiny']
    """
    return [
        m
        for m in _table().values()
        if (not task or m.task == task)
        and (not language or m.reads(language))
        and (not kind or m.kind == kind)
        and text.lower() in f"{m.name} {m.about} {m.source}".lower()
    ]


def get(name: str) -> RegisteredModel | None:
    """The row of a name, None if there is none.

    >>> get("tiny").name  # as pipelines call it
    'anyrank-tiny'
    """
    return _table().get(SHIPPED.get(name, name))


def find(name: str) -> RegisteredModel:
    """The row of a name. Raises ModelError if there is none."""
    row = get(name)
    if row is None:
        raise ModelError(f"no model {name!r} in the registry: {suggestion(name)}")
    return row


def resolve(name: str | Path, runtime: str = "") -> Path:
    """The folder of a model on this machine: of a local folder or file itself, of a name in the registry, or of a hub
    id ("owner/name", "owner/name@revision"); fetched if it isn't here yet, in the weights that ``runtime`` reads.

    Raises ModelError if there is no such model, or it can't be fetched or verified.

    >>> resolve("minilm").name
    'minilm'
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    row = get(str(name))
    if row is not None:
        return _resolve_row(row, runtime)
    if is_hub_id(str(name)):
        same = next((row for row in _table().values() if row.published == str(name) and row.complete), None)
        return fetch(str(name), runtime).folder if same is None else same.folder
    raise ModelError(f"no model {str(name)!r}: {suggestion(str(name))}")


def _resolve_row(row: RegisteredModel, runtime: str) -> Path:
    if row.base:
        return _resolve_row(find(row.base), runtime)
    if row.hub:
        return fetch(row.hub, runtime).folder
    if row.complete:
        return row.folder
    if row.source == "package":
        raise ModelError(f"the shipped model {row.name!r} is incomplete in {row.folder}: reinstall anyrank")
    conversion = None
    if row.maker:
        conversion = Conversion(row.made_of, import_module(f"{__package__}.{row.maker}").convert)
    return from_wheel(row.source.removeprefix("wheel "), row.inside, row.files, row.folder, conversion)


def suggestion(name: str) -> str:
    """Advice for an unknown name: similar names of the registry, and the other forms of a name."""
    near = difflib.get_close_matches(name.lower(), {**SHIPPED, **_table()}, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(map(repr, near))}?" if near else "`anyrank models list` lists the known ones."
    return f"{advice} A hub id (owner/name) or the path of a local folder works too"


def verify(name: str) -> Path:
    """The folder of a shipped or a wheel's model after hashing every file of it. Raises ModelError if one differs,
    and for models of the hub, of which no hashes are stated."""
    row = find(name)
    if row.hub:
        raise ModelError(
            f"{name!r} comes from the hub: its client checks what it fetches, and the registry has no hashes"
        )
    if row.base:
        return verify(row.base)
    folder = resolve(name)
    for file, expected in row.files.items():
        with open(folder / file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != expected["sha256"]:
            mend = "reinstall anyrank" if row.source == "package" else f"delete {folder} and fetch it again"
            raise ModelError(f"{folder / file}: sha256 is {digest}, expected {expected['sha256']}: {mend}")
    return folder


def card(name: str) -> str:
    """The card of a model of the registry: what it is, licence, origin and hashes; for shipped ones what int8 costs."""
    row = find(name)
    if row.source == "package":
        return (row.folder / "README.md").read_text(encoding="utf-8")
    if row.base:
        return f"# {row.name}\n\n{row.about}.\n\n{_use(row)}It reads the files of {row.base}:\n\n{card(row.base)}"
    if row.hub:
        return _hub_card(row)
    source = f"Licence: {row.licence}. Source: {row.source}."
    if row.made_of:
        source += f"\n\nMade of these files of the wheel:\n\n{_listed(row.made_of)}\n\nThe model:"
    return f"# {row.name}\n\n{row.about}.\n\n{_use(row)}{source}\n\n{_listed(row.files)}\n"


def _use(row: RegisteredModel) -> str:
    """How a model is used: in a pipeline, by a method and, if it makes vectors, in an index."""
    if row.kind == "language":
        return f'Use: `rankgpt("{row.name}")` or another method of `anyrank papers list`, in a pipeline.\n\n'
    if row.task == "rerank":
        return f'Use: `model("{row.name}")` in a pipeline.\n\n'
    if row.task == "retrieve":
        encode = f"`anyrank index … --encode {row.name}`"
        return f'Use: {encode}, and `model("{row.name}")` in a pipeline, to search or after `>>` to rerank.\n\n'
    return ""


def _listed(files: Mapping[str, Mapping[str, Any]]) -> str:
    """A card's list of files with their sizes and hashes."""
    return "\n".join(f"- {file}: {f['bytes']:,} bytes, sha256 {f['sha256']}" for file, f in files.items())


def _hub_card(row: RegisteredModel) -> str:
    fields = {
        "Hub id": row.hub,
        "Kind": row.kind,
        "Task": row.task,
        "Languages": ", ".join(row.languages),
        "Licence": row.licence or "see its page at the hub",
        "Parameters": f"{row.parameters:g} million" if row.parameters else "",
        "Context": f"{row.context:,} tokens" if row.context else "",
        "Its authors measured (not verified here)": row.figure,
        "Use": row.use or f'model("{row.name}")',
    }
    fields |= {f"Set here: {key}": repr(value) for key, value in row.declares.items()}
    lines = "\n".join(f"- {key}: {value}" for key, value in fields.items() if value)
    return (
        f"# {row.name}\n\n{row.about}.\n\n{lines}\n\nNot verified here: anyrank's tests don't run this model; its page "
        f"at the hub has the licence and the full card.\n"
    )
