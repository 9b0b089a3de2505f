"""``anyrank index … --to ADDRESS``: the collection is on a server that the user runs (`stores`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click

from ..core.types import Candidate
from .common import as_json, echo_cut
from .progress import advance, progress


def index_to(
    address: str,
    corpus: str | None,
    documents: Callable[[], Iterable[Candidate]] | None,
    language: str,
    stop_words: bool,
    encode: tuple[str, ...],
    chosen: dict[str, Any],
    update: bool,
    delete: bool,
    overwrite: bool,
    json_out: bool,
) -> int:
    """Writes, updates or deletes the documents of a collection on a server, and encodes those without vectors."""
    from ..hub.registry import SHIPPED
    from ..io.files import texts
    from ..pipeline.table import encoder as opened
    from ..store.vector_names import model_of, stored
    from ..stores.address import shown
    from ..stores.base import check_index
    from ..stores.open import open_index, open_server
    from ..stores.remote import Remote, check_vectors

    encoders = {n: opened(n) for n in dict.fromkeys(SHIPPED.get(n, n) for n in encode)}
    requested = {encoder.name for encoder in encoders.values()}
    if chosen:
        check_index(shown(address), chosen["index"], chosen["options"])
    if documents is not None and not delete:  # what the store can't hold is an error before documents are written
        server = open_server(address)
        for encoder in encoders.values():
            check_vectors(server, encoder.name, encoder.encode(["a"]).vectors, **chosen)
    changed, verb = 0, ""
    if documents is None:
        collection = open_index(address)
    elif delete:
        collection = open_index(address)
        changed, verb = collection.delete([i for _, line in texts(str(corpus)) if (i := line.strip())]), "deleted"
    elif update:
        collection = open_index(address)
        changed, verb = collection.update(documents()), "added or replaced"
        encoders |= {n: opened(n) for n in map(model_of, collection.encoded) if n not in encoders}
    else:
        try:
            with progress("writing", None, "documents") as bar:
                collection = Remote.build(
                    server,
                    documents(),
                    language=language,
                    stop_words=stop_words,
                    overwrite=overwrite,
                    on_progress=partial(advance, bar),
                )
        except KeyboardInterrupt:
            click.echo(f"stopped: {server.address} keeps what was written; the same command goes on", err=True)
            raise
    truncated: dict[str, int] = {}
    for encoder in encoders.values():
        with progress(f"encoding with {encoder.name}", len(collection), "documents") as bar:
            choice = chosen if encoder.name in requested else {}
            usage = collection.encode(encoder, stored(encoder.name), on_progress=partial(advance, bar), **choice)
        truncated[encoder.name] = usage.truncated
        echo_cut(usage.truncated, encoder.name)
    vectors = sorted(map(model_of, collection.encoded))
    if json_out:
        summary = {"documents": len(collection), "changed": changed, "vectors": vectors, "path": collection.path}
        click.echo(as_json(summary | ({"truncated": truncated} if truncated else {})))
    else:
        beside = f", vectors of {', '.join(vectors)}" if vectors else ""
        done = f" ({changed:,} {verb})" if verb else ""
        click.echo(f"{collection.path}: {len(collection):,} documents{done}{beside}")
    collection.close()
    return 0


def info_of(address: str, json_out: bool) -> int:
    """Write what a collection on a server holds."""
    from ..store.vector_names import model_of
    from ..stores.open import open_index

    collection = open_index(address)
    about, documents = collection.about, len(collection)
    parts: list[dict[str, Any]] = [{"name": "documents", "documents": documents, "fields": sorted(about.fields)}]
    if about.lexical:
        parts.append({"name": "bm25", "documents": documents, "language": about.language})
    for name in collection.encoded:
        missing = len(collection.vectors(name).missing())
        parts.append({"name": f"vectors of {model_of(name)}", "documents": documents - missing, **about.vectors[name]})
    if json_out:
        click.echo(as_json({"path": collection.path, "documents": documents, "parts": parts}))
    else:
        click.echo(f"{collection.path}: {documents:,} documents")
        for part in parts:
            shown = {
                n: v for n, v in part.items() if n not in ("name", "documents", "options", "table", "number") and v
            }
            shown |= part.get("options", {})
            details = "; ".join(f"{n} {', '.join(v) if isinstance(v, list) else v}" for n, v in shown.items())
            click.echo(f"{part['name']}: {part['documents']:,} documents; {details}")
    collection.close()
    return 0
