"""Documents and queries from JSON, CSV, TSV and TREC files, streamed."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.errors import InputError, quoted
from ..core.types import Candidate, Query
from .files import File
from .records import Fields, Record, first_of, id_of, parsed, records, text_field
from .seen import Seen

DOCUMENT = Fields(
    ("_id", "id", "docid", "doc_id", "docno"), ("text", "contents", "body", "content", "page_content"), ("title",)
)
QUERY = Fields(("_id", "id", "qid", "query_id"), ("text", "query", "question"))


def read_documents(
    path: File,
    *,
    format: str | None = None,
    fields: Fields = DOCUMENT,
    header: bool | None = None,
    most: int | None = None,
) -> Iterator[Candidate]:
    """The documents of a file or stdin (``-``), one at a time: content is title and text, ``meta`` the other fields.

    ``format`` is read from the name if it isn't given; ``header`` and ``most`` as in ``records``. Memory holds
    one document and 8 bytes an id (and the last 131,072 ids whole).

    Raises InputError, with the line, on a malformed record, a missing or empty id, an id that appears twice (noticed at
    most 131,072 documents later), and an empty file. An empty text is no error.
    """
    stream = Seen(path, "document").watch(records(path, fields, format, header, most), fields)
    return parsed(path, stream, lambda r: document(r, fields), "documents")


def read_queries(
    path: File,
    *,
    format: str | None = None,
    fields: Fields = QUERY,
    header: bool | None = None,
    most: int | None = None,
) -> list[Query]:
    """The queries of a file or stdin: JSON lines, a table with a header, ``id<TAB>text``, or TREC topics.

    Raises InputError, with the line, on a malformed record, an id that is missing, empty or appears twice, an empty
    text, and an empty file.
    """
    stream = Seen(path, "query").watch(records(path, fields, format, header, most), fields)
    return list(parsed(path, stream, lambda r: query(r, fields), "queries"))


def document(record: Record, fields: Fields = DOCUMENT) -> Candidate:
    """A record as a document: ``content`` is (title + " " + text).strip(), ``meta`` every field but id and text.

    >>> document({"_id": 7, "title": "Wings", "text": "lift and drag", "year": 1958})
    Candidate(id='7', content='Wings lift and drag', score=0.0, meta={'title': 'Wings', 'year': 1958})
    """
    id_name, id = id_of(record, fields.id, "document id")
    text_name, text = text_field(record, fields.text, "document text")
    title_name = first_of(record, fields.title)
    title = None if title_name is None else record[title_name]
    if title is not None and not isinstance(title, str):
        raise InputError(f"the title is {type(title).__name__}: expected a text")
    meta = {k: v for k, v in record.items() if k not in (id_name, text_name)}
    return Candidate(id, f"{title} {text}".strip() if title else text.strip(), meta=meta)


def query(record: Record, fields: Fields = QUERY) -> Query:
    """A record as a query; ``meta`` holds every field but id and text. Raises InputError on an empty text."""
    id_name, id = id_of(record, fields.id, "query id")
    text_name, text = text_field(record, fields.text, "query text")
    if not text.strip():
        raise InputError(f"the text of query {quoted(id)} is empty")
    return Query(id, text.strip(), {k: v for k, v in record.items() if k not in (id_name, text_name)})
