"""Building a collection from a stream of documents in bounded memory, safe against being killed at any moment."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import tantivy

from ..core.content import parts_of
from ..core.errors import InputError
from ..core.types import Candidate
from ..store.engine import FOLDER, HEAP, Writing, schema, whole
from ..store.engine_files import STATE
from ..store.linked import is_linked
from ..store.manifest import NAME, Manifest
from ..store.rows import FILES, Rows, record
from ..store.store import Store
from .analysis import EDITION
from .collection import Collection
from .fit import misfit
from .languages import check_language
from .swap import finish_swap, replacement

log = logging.getLogger(__name__)

_BATCH = 100_000
_SAMPLED = 200  # documents whose language is looked at
_COMPARED = 1024  # committed documents that are compared at once
_CHARACTERS = 64 << 20  # of text, after which a batch is committed


def build(
    documents: Iterable[Candidate],
    path: str | Path,
    *,
    language: str = "english",
    stop_words: bool = True,
    lexical: bool | None = None,
    overwrite: bool = False,
    batch: int = _BATCH,
    heap: int = HEAP,
    on_progress: Callable[[int], None] | None = None,
    on_warning: Callable[[str], None] = log.warning,
) -> Collection:
    """The opened collection of a corpus of any size, built at ``path``; ``on_progress`` gets the number committed so
    far, ``on_warning`` a text if the language doesn't fit the documents (`misfit`).

    Contents are any JSON values, and images by their paths. ``lexical``: whether documents are indexed by their words;
    by default if the first one has text. After a kill, the same call continues after the last commit: no document is
    lost or added twice. With ``overwrite`` the new collection takes the place of the old one only when it is whole;
    after a kill it begins anew. Documents are committed every ``batch``; ``heap`` bounds the engine's memory in bytes.

    Raises InputError on an id that comes twice, on a folder that holds a complete collection (unless ``overwrite``) or
    something else, and if an unfinished build had other options or another corpus.
    """
    folder, source = Path(path), iter(documents)
    if lexical is None:
        first = list(islice(source, 1))
        source, lexical = chain(first, source), all(_has_text(d.content) for d in first)
    sample: list[str] = []
    if lexical:
        source = _sampled(source, sample)
    fresh = Manifest(check_language(language), stop_words, lexical=lexical, build=uuid4().hex, analysis=EDITION)
    if not _replaces(folder, overwrite):
        with _nothing_left(folder):
            build_in(source, folder, fresh, batch, heap, on_progress)
    else:
        with replacement(folder) as new:
            build_in(source, new, fresh, batch, heap, on_progress)
    if warning := misfit(sample, fresh.language):
        on_warning(warning)
    return Collection.open(folder)


def _sampled(source: Iterator[Candidate], texts: list[str]) -> Iterator[Candidate]:
    """The documents, the texts of the first of them kept in ``texts``."""
    for doc in source:
        if len(texts) < _SAMPLED:
            parts = (doc.content,) if isinstance(doc.content, str) else parts_of(doc.content)
            texts.extend(part for part in parts if isinstance(part, str))
        yield doc


def build_in(
    source: Iterator[Candidate],
    folder: Path,
    manifest: Manifest,
    batch: int,
    heap: int,
    on_progress: Callable[[int], None] | None,
) -> Collection:
    """Documents committed to a folder after those that the manifest of an unfinished build there counts, or from the
    first with this manifest, and the manifest completed."""
    manifest = _start(folder, manifest)
    source = _after(source, manifest, folder)
    collection = Collection.over(Store.opened(folder, manifest))
    store = collection.store
    writing = Writing.begin(store.engine, folder, collection.enter, heap, keep=manifest.rows)
    try:
        store.reload()
        while ids := _put(source, writing, batch):
            store.check_new(ids)
            writing.commit()
            store.reload()
            done = manifest.documents + len(ids)
            manifest = replace(manifest, documents=done, rows=writing.rows.count, last=ids[-1])
            manifest.write(folder)
            if on_progress is not None:
                on_progress(done)
    finally:
        writing.end()
    manifest = replace(manifest, complete=True)
    manifest.write(folder)
    return Collection.open(folder)


def _has_text(content: Any) -> bool:
    """Whether a content can hold words: a text, if only an empty one, or something with a text in it."""
    return content is None or isinstance(content, str) or any(isinstance(p, str) for p in parts_of(content))


def _put(source: Iterator[Candidate], writing: Writing, most: int) -> list[str]:
    """Add documents until there are ``most``, or their text is long enough for a commit; their ids."""
    ids, size = [], 0
    for doc in islice(source, most):
        doc = whole(doc)
        writing.put(doc)
        ids.append(doc.id)
        size += len(doc.content) if isinstance(doc.content, str) else 0
        if size > _CHARACTERS:
            break
    return ids


def _replaces(folder: Path, overwrite: bool) -> bool:
    """Whether a collection is in the folder that the new one is to replace. Raises InputError on a folder that holds
    something else, or a complete collection without ``overwrite``."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file: a collection needs a folder", path=folder)
    finish_swap(folder)
    if not folder.exists() or all(e.name == f".{NAME}.tmp" for e in folder.iterdir()):
        return False
    if is_linked(folder):
        raise InputError("is a linked index: choose a new folder, or delete this one (its parts stay)", path=folder)
    if not (folder / NAME).exists():
        raise InputError("holds other files: choose an empty or a new folder", path=folder)
    if overwrite and (folder / FOLDER).is_dir() and (folder / FILES[0]).exists():
        return True  # a collection, also if its manifest is damaged
    if Manifest.read(folder).complete and not overwrite:
        raise InputError("holds a complete collection: pass overwrite=True to replace it", path=folder)
    return overwrite


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """If the block fails before anything was committed, what it created is removed; committed documents stay, for the
    next call to go on from."""
    created = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        yield
    except BaseException:
        if (folder / NAME).is_file() and Manifest.read(folder).documents == 0:
            _clear(folder)
            (folder / NAME).unlink()
        for path in created:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def _clear(folder: Path) -> None:
    """Removes a collection's files but the manifest."""
    for name in ("vectors", FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (STATE, *FILES):
        (folder / name).unlink(missing_ok=True)


def _start(folder: Path, fresh: Manifest) -> Manifest:
    """The manifest to continue with: that of an unfinished build, or a new one in an emptied folder."""
    if (folder / NAME).exists():
        old = Manifest.read(folder)
        if old.documents:
            earlier, current = (
                f"language={m.language!r}, stop_words={m.stop_words}, lexical={m.lexical}, analysis={m.analysis}"
                for m in (old, fresh)
            )
            if earlier != current:
                raise InputError(
                    f"an unfinished build here has {earlier}, not {current}: use the same options, or overwrite=True",
                    path=folder,
                )
            return old
    folder.mkdir(parents=True, exist_ok=True)
    fresh.write(folder)
    _clear(folder)
    (folder / FOLDER).mkdir()
    tantivy.Index(schema(), str(folder / FOLDER))
    return fresh


def _after(source: Iterator[Candidate], manifest: Manifest, folder: Path) -> Iterator[Candidate]:
    """The documents that follow those that are committed already. Raises InputError if the corpus is a different
    one: every committed document is compared."""
    different = differs(islice(source, manifest.documents), Rows(folder), manifest.rows)
    if different:
        raise InputError(
            f"{different} of the unfinished build: give the same corpus, or begin anew with overwrite=True "
            "(on the command line --overwrite)",
            path=folder,
        )
    return source


def differs(documents: Iterable[Candidate], rows: Rows, count: int) -> str:
    """The first difference between documents and the first ``count`` rows; empty if they are the same."""
    source, start = iter(documents), 0
    while start < count:
        numbers = list(range(start, min(start + _COMPARED, count)))
        snapshot = rows.of(numbers)
        stored = zip(snapshot.pieces(numbers, 0), snapshot.pieces(numbers, 1))
        for number, (id, bytes) in zip(numbers, stored):
            doc = next(source, None)
            if doc is None:
                return f"this corpus ends after {number} documents, before the last one committed ({count})"
            doc = whole(doc)
            if doc.id.encode() != id or record(doc) != bytes:
                names = f"({doc.id!r:.80}) is not the one committed ({id.decode()!r:.80})"
                return f"document {number + 1} of this corpus {names}"
        start += len(numbers)
    return ""
