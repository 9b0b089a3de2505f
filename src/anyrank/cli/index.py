"""``anyrank index``: make a collection searchable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from ..core.types import Candidate
from .common import as_json, as_json_option, echo_cut, is_dataset
from .index_to import index_to, info_of
from .jobs import stamp
from .progress import advance, progress
from .shards import Piece, shard_options


@click.command("index")
@click.argument("corpus", required=False)
@click.argument("folder", required=False)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder of the index.")
@click.option(
    "--to",
    metavar="ADDRESS",
    help="In place of -o: a collection on a server, as postgresql://USER@HOST/DATABASE/COLLECTION, qdrant://…, "
    "opensearch://… or elasticsearch://… (docs/stores.md).",
)
@click.option(
    "--language",
    default="english",
    show_default=True,
    help="The language of stems and stop words, by its name or code (de, zh); 'code' for source code, 'none' for "
    "neither stems nor stop words.",
)
@click.option(
    "--stop-words/--no-stop-words",
    default=True,
    help="Search words such as 'the', 'who' and 'not' only where a query has no others, or always.",
)
@click.option("--encode", multiple=True, metavar="MODEL", help="Also store this model's vectors (repeat for several).")
@click.option("--ann", is_flag=True, help="Search the encoded vectors by a graph, as --vector-index approximate.")
@click.option(
    "--vector-index",
    metavar="NAME",
    help="The index that searches the encoded vectors, also those there already: nearest (exact), approximate, …",
)
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of that index: precision=int8.")
@click.option("--update", is_flag=True, help="Add the documents to an index, replacing those with the same id.")
@click.option("--delete", is_flag=True, help="CORPUS is a file of ids, one a line: delete these documents.")
@click.option("--overwrite", is_flag=True, help="Replace an index that is already there.")
@click.option("--check", is_flag=True, help="CORPUS is an index: read all its files and name those that are damaged.")
@click.option(
    "--compact",
    is_flag=True,
    help="CORPUS is an index: write it anew without deleted documents, which frees their space.",
)
@click.option(
    "--migrate", is_flag=True, help="CORPUS is an index: write it anew with today's text analysis and format."
)
@click.option("--copy", is_flag=True, help="CORPUS is an index, perhaps in use: copy its present state to -o.")
@click.option("--id-field", help="The field or column that holds the id.")
@click.option("--text-field", help="The field or column that holds the text.")
@click.option("--title-field", help="The field or column that holds the title.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "tsv", "trec"]),
    help="The format of CORPUS, if its name has no known ending.",
)
@click.option("--no-header", is_flag=True, help="The first row of a table is a document: its columns are id and text.")
@as_json_option
@shard_options()
def index_command(
    corpus: str | None,
    folder: str | None,
    out: Path | None,
    to: str | None,
    language: str,
    stop_words: bool,
    encode: tuple[str, ...],
    ann: bool,
    vector_index: str | None,
    options: tuple[str, ...],
    update: bool,
    delete: bool,
    overwrite: bool,
    check: bool,
    compact: bool,
    migrate: bool,
    copy: bool,
    id_field: str | None,
    text_field: str | None,
    title_field: str | None,
    form: str | None,
    no_header: bool,
    json_out: bool,
    piece: Piece,
) -> int:
    """Index CORPUS: a JSONL, CSV, TSV or TREC file (.gz too, '-' for standard input), a folder in BEIR's layout, an
    ir_datasets id (irds:…), or 'demo'. A build that was stopped is resumed. CORPUS may be an index itself, to which
    --encode adds a model's vectors; 'info' and an index show its parts.

    \b
    anyrank index corpus.jsonl.gz -o my.index
    anyrank index scifact/ -o scifact.index --encode minilm --encode splade
    anyrank index more.csv -o my.index --update --id-field sku --text-field description
    anyrank index my.index --encode minilm --ann --set precision=int8
    anyrank index info my.index
    anyrank index --check my.index
    anyrank index --compact my.index
    anyrank index --copy my.index -o copy.index
    anyrank index corpus.jsonl --to postgresql://me@db/papers/wings --encode minilm
    """
    from ..hub.registry import SHIPPED
    from ..index.build import build
    from ..index.choice import check_choice
    from ..index.collection import Collection
    from ..io.files import texts
    from ..pipeline.table import encoder as opened
    from ..store.vector_names import model_of, stored

    if corpus == "info" and (folder is not None or (out is None and to is None and not Path(corpus).exists())):
        return _info(folder, json_out)
    if corpus is None and (to is None or not encode):
        raise InputError("CORPUS is missing: a file or a folder of documents")
    if folder is not None:
        raise InputError(f"{folder}: one CORPUS at a time, and -o before the folder of the index")
    if update + delete + overwrite + check + compact + migrate + copy > 1:
        raise InputError("choose one of --update, --delete, --overwrite, --check, --compact, --migrate and --copy")
    for option in ("check",) * check + ("compact",) * compact + ("migrate",) * migrate:
        if encode or out is not None or to is not None:
            raise InputError(f"--{option} takes an index alone: anyrank index --{option} my.index")
    if copy and (encode or ann or to is not None):
        raise InputError("--copy takes an index and -o alone: anyrank index --copy my.index -o copy.index")
    if (check or compact or migrate or copy) and piece.shard is not None:
        raise InputError("--shard and --on build an index: they don't go with --check, --compact, --migrate and --copy")
    if check:
        return _check(Path(str(corpus)), json_out)
    if compact or migrate:
        return _rewrite(Path(str(corpus)), migrate, json_out)
    if copy:
        return _copy(Path(str(corpus)), out, json_out)
    if piece.shard is not None:
        if to is not None:
            raise InputError("--shard and --on build an index in a folder (-o); --to writes from one process")
        _check_shard(str(corpus), update or delete, vector_index or ("approximate" if ann else None))
    chosen = _chosen_index(encode, ann, vector_index, options)
    if to is not None:
        if out is not None:
            raise InputError("choose -o, a folder, or --to, a server")
        form_of = (id_field, text_field, title_field, form, no_header)
        source = None if corpus is None else partial(_documents, corpus, *form_of)
        return index_to(to, corpus, source, language, stop_words, encode, chosen, update, delete, overwrite, json_out)
    assert corpus is not None
    itself = out is None and bool(encode) and not (update or delete or overwrite) and _is_index(Path(corpus))
    if itself:
        out = Path(corpus)
    if out is None:
        raise InputError("-o is missing: the folder of the index")
    with progress("indexing", None, "documents") as bar:

        def documents() -> Iterator[Candidate]:
            return piece.stream(_documents(corpus, id_field, text_field, title_field, form, no_header))

        # A model that can't be opened, and an index that doesn't fit it, are errors before anything is written.
        encoders = {n: opened(n) for n in dict.fromkeys(SHIPPED.get(n, n) for n in encode)}
        requested = {encoder.name for encoder in encoders.values()}
        for encoder in encoders.values() if chosen else ():
            check_choice(encoder, **chosen)
        changed, verb = 0, ""
        if delete:
            changed = Collection.open(out).delete([i for _, line in texts(corpus) if (i := line.strip())])
            verb = "deleted"
        elif update:
            changed = Collection.open(out).update(documents())
            verb = "added or replaced"
        elif itself:
            Collection.open(out)  # says if its building was not finished
        elif overwrite or not _built(out):
            with _kept(out):
                build(
                    documents(),
                    out,
                    language=language,
                    stop_words=stop_words,
                    overwrite=overwrite,
                    on_progress=partial(advance, bar),
                    on_warning=partial(_warn, out),
                )
        elif piece.shard is not None:
            _check_built(out, documents(), language, stop_words)
        elif encode:
            click.echo(f"note: {out} holds a finished index; {corpus} is not read again (--update does that)", err=True)
        else:
            raise InputError("it holds a finished index: use --update, --overwrite or --encode", path=out)
    collection = Collection.open(out)
    if update:
        encoders |= {n: opened(n) for n in map(model_of, collection.encoded) if n not in encoders}
    truncated: dict[str, int] = {}
    for encoder in encoders.values():
        title = f"encoding with {encoder.name}"
        with progress(title, len(collection), "documents") as bar, _kept(out, encoder.name):
            choice = chosen if encoder.name in requested else {}
            usage = collection.encode(encoder, stored(encoder.name), on_progress=partial(advance, bar), **choice)
        truncated[encoder.name] = usage.truncated
        echo_cut(usage.truncated, encoder.name)
    vectors = sorted(map(model_of, collection.encoded))
    if piece.shard is not None:
        settings = {"files": stamp(corpus), "language": language, "stop_words": stop_words, "encode": sorted(encoders)}
        settings |= {"fields": [id_field, text_field, title_field], "format": form, "header": not no_header}
        piece.finish(out, "index", settings, [1] * len(collection))
    if json_out:
        summary = {"documents": len(collection), "changed": changed, "vectors": vectors, "path": str(out)}
        summary |= {"truncated": truncated} if truncated else {}
        click.echo(as_json(summary))
    else:
        beside = f", vectors of {', '.join(vectors)}" if vectors else ""
        done = f" ({changed:,} {verb})" if verb else ""
        click.echo(f"{out}: {len(collection):,} documents{done}{beside}")
    return 0


def _documents(
    corpus: str,
    id_field: str | None,
    text_field: str | None,
    title_field: str | None,
    form: str | None,
    no_header: bool,
) -> Iterator[Candidate]:
    """The documents of a corpus argument."""
    from ..io.corpus import DOCUMENT, read_documents
    from ..io.dataset import Dataset

    if is_dataset(corpus):
        return Dataset.open(corpus).documents()
    fields = DOCUMENT.pick(id_field, text_field, title_field)
    return read_documents(corpus, format=form, fields=fields, header=False if no_header else None)


def _check_shard(corpus: str, changes: bool, vector_index: str | None) -> None:
    """Raises InputError if a shard of an index can't be made so."""
    if changes:
        raise InputError("--shard and --on build an index: --update and --delete change one that is there")
    if _is_index(Path(corpus)):
        raise InputError(
            "is an index: --shard and --on take the corpus that it was made of, with --encode", path=corpus
        )
    if vector_index is not None:
        raise InputError(
            f"--vector-index {vector_index} goes with the merged index, since it is made of all vectors: index the "
            "parts without it, then give it to anyrank index MERGED --encode MODEL (or to each part, for merge --link)"
        )


def _check_built(out: Path, documents: Iterator[Candidate], language: str, stop_words: bool) -> None:
    """Raises InputError if the documents of a shard that is there since an earlier call are not these."""
    from ..index.build import differs
    from ..store.manifest import Manifest
    from ..store.rows import Rows

    rows, manifest = Rows(out), Manifest.read(out)
    different = differs(documents, rows, len(rows))
    if not different and next(documents, None) is not None:
        different = f"this corpus has more than the {len(rows)} documents that were indexed"
    if not different and (manifest.language, manifest.stop_words) != (language, stop_words):
        different = f"it was built with language={manifest.language!r}, stop_words={manifest.stop_words}"
    if different:
        raise InputError(f"{different}: use --overwrite, or another --out", path=out)


@contextmanager
def _kept(folder: Path, model: str = "") -> Iterator[None]:
    """If the block is interrupted, say how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if model:
            click.echo(f"stopped: vectors so far are kept; the same with --encode {model} makes the others", err=True)
        elif (folder / "manifest.json").exists():
            click.echo(f"stopped: {folder} keeps what was committed; the same command goes on from there", err=True)
        raise


def _chosen_index(encode: tuple[str, ...], ann: bool, name: str | None, options: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of `Collection.encode` that choose an index. Raises InputError if they don't go together."""
    if ann and name not in (None, "approximate"):
        raise InputError(f"--ann is --vector-index approximate: choose it or {name}")
    name = "approximate" if ann else name
    if name is None and options:
        raise InputError("--set is for the options of an index: add --ann or --vector-index NAME")
    if name is None:
        return {}
    if not encode:
        raise InputError("--ann and --vector-index say how vectors are searched: add --encode MODEL, which ones")
    values = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals:
            raise InputError(f"--set {option}: expected NAME=VALUE")
        values[key] = int(text) if text.isdecimal() else text
    return {"index": name, "options": values}


def _is_index(folder: Path) -> bool:
    """True if the folder holds an index, finished or not, or names the parts of one."""
    from ..stores.open import is_index

    return is_index(folder)


def _info(index: str | None, json_out: bool) -> int:
    """Write the parts of an index; the exit code is 2 if one is damaged."""
    from ..index.info import as_text, parts_of
    from ..index.sharded import open_collection
    from ..stores.address import is_address

    if index is None:
        raise InputError("info takes the folder of an index: anyrank index info my.index")
    if is_address(index):
        return info_of(index, json_out)
    folder = Path(index)
    collection = open_collection(folder)
    parts = parts_of(collection)
    if json_out:
        summary = {"path": str(folder), "documents": len(collection)}
        click.echo(as_json({**summary, "parts": [part.as_dict() for part in parts]}))
    else:
        click.echo(as_text(folder, len(collection), parts))
    return 2 if any(part.damaged for part in parts) else 0


def _check(folder: Path, json_out: bool) -> int:
    """Write what is damaged, with its cure, and what could not be checked; the exit code is 2 if anything is."""
    from ..index.check import check

    report = check(folder)
    if json_out:
        damaged = [{"file": str(e.path), "message": str(e)} for e in report.problems]
        summary = {"path": str(folder), "documents": report.documents, "damaged": damaged}
        click.echo(as_json({**summary, "unchecked": report.unchecked}))
    else:
        for error in report.problems:
            click.echo(str(error))
        for text in report.unchecked:
            click.echo(f"not checked: {text}")
        if not report.problems:
            click.echo(f"{folder}: {report.documents:,} documents, no damage")
    return 2 if report.problems else 0


def _rewrite(folder: Path, migrate: bool, json_out: bool) -> int:
    """Write an index anew without deleted documents, and say how many they were and what space they took."""
    from ..index.collection import Collection
    from ..index.rewrite import rewrite

    collection = Collection.open(folder)
    deleted, before = len(collection.store.rows) - len(collection), _bytes(folder)
    title = "migrating" if migrate else "compacting"
    with progress(title, len(collection), "documents") as bar:
        collection = rewrite(folder, migrate=migrate, on_progress=partial(advance, bar))
    after = _bytes(folder)
    if json_out:
        summary = {"path": str(folder), "documents": len(collection), "deleted": deleted}
        click.echo(as_json({**summary, "bytes": after, "bytes_before": before}))
    else:
        click.echo(
            f"{folder}: {len(collection):,} documents; {deleted:,} deleted ones no longer count; "
            f"{before:,} bytes before, {after:,} now"
        )
    return 0


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _copy(folder: Path, out: Path | None, json_out: bool) -> int:
    """Copy the present state of an index."""
    from ..index.snapshot import snapshot

    if out is None:
        raise InputError("-o is missing: the folder of the copy")
    documents = len(snapshot(folder, out))
    if json_out:
        click.echo(as_json({"path": str(out), "documents": documents}))
    else:
        click.echo(f"{out}: {documents:,} documents, a copy of {folder}")
    return 0


def _warn(out: Path, text: str) -> None:
    click.echo(f"warning: {out}: {text}", err=True)


def _built(folder: Path) -> bool:
    """True if the folder holds a finished index."""
    from ..store.manifest import NAME, Manifest

    return (folder / NAME).is_file() and Manifest.read(folder).complete
