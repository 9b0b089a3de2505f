"""Building a collection from a stream of documents in bounded memory, safe against being killed at any moment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import tantivy

from ..core.errors import InputError
from ..core.types import Candidate
from ..store.engine import FOLDER, HEAP, Writing, schema, whole
from ..store.manifest import NAME, Manifest
from ..store.rows import Rows
from .analysis import analyser, check_language
from .lexical import Lexical, open_engine, unseen

_BATCH = 100_000
_CHARACTERS = 64 << 20


def build(
    documents: Iterable[Candidate],
    path: str | Path,
    *,
    language: str = "english",
    stop_words: bool = True,
    overwrite: bool = False,
    batch: int = _BATCH,
    heap: int = HEAP,
    on_progress: Callable[[int], None] | None = None,
) -> Lexical:
    """The opened index of a corpus of any size, built at ``path``; ``on_progress`` gets the number committed so far.

    After a kill, the same call goes on where the last commit was: nothing is lost, nothing doubled. Documents are
    committed every ``batch``; ``heap`` bounds the engine's memory in bytes. Raises InputError on an id that comes
    twice, on a folder that holds a complete collection (unless ``overwrite``) or something else, and where an
    unfinished build had other options or another corpus.
    """
    folder = Path(path)
    manifest = _start(folder, Manifest(check_language(language), stop_words), overwrite)
    source = _after(iter(documents), manifest, folder)
    index = open_engine(folder, manifest)
    lexical = Lexical(folder, manifest, Rows(folder), index, analyser(language, stop_words))
    writing = Writing.begin(index, folder, heap, keep=manifest.rows)
    try:
        lexical.reload()
        while ids := _batch(source, writing, batch):
            unseen(lexical, ids)
            writing.commit()
            lexical.reload()
            done = manifest.documents + len(ids)
            manifest = replace(manifest, documents=done, rows=writing.rows.count, last=ids[-1])
            manifest.write(folder)
            if on_progress is not None:
                on_progress(done)
    finally:
        writing.end()
    manifest = replace(manifest, complete=True)
    manifest.write(folder)
    return Lexical.open(folder)


def _batch(source: Iterator[Candidate], writing: Writing, most: int) -> list[str]:
    """Documents put until there are ``most`` or their text is long enough; their ids."""
    ids, size = [], 0
    for doc in islice(source, most):
        doc = whole(doc)
        writing.put(doc)
        ids.append(doc.id)
        size += len(doc.content)
        if size > _CHARACTERS:
            break
    return ids


def _start(folder: Path, fresh: Manifest, overwrite: bool) -> Manifest:
    """The manifest to go on from: an unfinished build's, or a new one in a folder made ready."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file: a collection needs a folder", path=folder)
    if folder.exists() and any(e.name != f".{NAME}.tmp" for e in folder.iterdir()):
        old = Manifest.read(folder) if (folder / NAME).exists() else None
        if old is None:
            raise InputError("holds other files: choose an empty or a new folder", path=folder)
        if old.complete and not overwrite:
            raise InputError("holds a complete collection: pass overwrite=True to replace it", path=folder)
        if not overwrite and old.documents:
            if (old.language, old.stop_words) != (fresh.language, fresh.stop_words):
                raise InputError(
                    f"an unfinished build here has language={old.language!r}, stop_words={old.stop_words}, not "
                    f"{fresh.language!r}, {fresh.stop_words}: use the same, or overwrite=True",
                    path=folder,
                )
            return old
    folder.mkdir(parents=True, exist_ok=True)
    fresh.write(folder)
    for name in ("vectors", FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("rows.ids", "rows.bin", "rows.idx"):
        (folder / name).unlink(missing_ok=True)
    (folder / FOLDER).mkdir()
    tantivy.Index(schema(), str(folder / FOLDER))
    return fresh


def _after(source: Iterator[Candidate], manifest: Manifest, folder: Path) -> Iterator[Candidate]:
    """What follows the documents that are committed already. Raises InputError where the corpus is another one."""
    last = None
    for doc in islice(source, manifest.documents):
        last = doc
    if manifest.documents and (last is None or last.id != manifest.last):
        raise InputError(
            f"document {manifest.documents} of this corpus is not {manifest.last!r}, the last one committed by the "
            "unfinished build: give the same corpus, or overwrite=True",
            path=folder,
        )
    return source
