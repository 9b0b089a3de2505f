"""PostgreSQL: a collection is a schema with tables of documents, of postings, and of vectors for each model (pgvector).

BM25 is computed by the server from the postings, with our terms: its scores are those of `index.exact`, and always of
the documents that are there now. (PostgreSQL's own full text, ``ts_rank_cd``, knows no statistics of the collection and
is not used.) Filters are look-ups of the same terms as in a folder's index, in a GIN index.

Every batch is one transaction, under one lock for each collection's writers: it is seen whole or not at all.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, MissingExtra, StoreError, quoted, short
from ..core.matches import Document
from ..index.exact import Settings
from ..vectors import Dense, Sparse, Vectors
from .address import Address
from .base import About, Clause, Entry, Hits, check_index
from .remote import document

if TYPE_CHECKING:
    import psycopg

_PAGE = 5_000  # rows read at once
_MEMORY = "64MB"  # for the postings of one query
_DENSE, _HALF = 2_000, 4_000  # numbers that a graph of pgvector takes, in single and in half precision
_OPTIONS = {"connectivity": 16, "expansion_add": 64, "expansion_search": 128}
"""The options of a graph and their defaults: pgvector's m, ef_construction and hnsw.ef_search."""
_MOST = {"connectivity": (2, 100), "expansion_add": (4, 1000), "expansion_search": (1, 1000)}
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TABLES = """
CREATE TABLE {s}.about (value json NOT NULL, documents bigint NOT NULL, words bigint NOT NULL, titles bigint NOT NULL);
CREATE TABLE {s}.documents (
    row int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE, content json NOT NULL,
    meta json NOT NULL, facts text[] NOT NULL, terms int[] NOT NULL, length int NOT NULL, title_length int NOT NULL);
CREATE INDEX ON {s}.documents USING gin (facts);
CREATE TABLE {s}.terms (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, term text COLLATE "C" NOT NULL UNIQUE);
CREATE TABLE {s}.postings (
    term int NOT NULL, row int NOT NULL, count int NOT NULL, in_title int NOT NULL, length int NOT NULL,
    title_length int NOT NULL);
CREATE INDEX ON {s}.postings (term, row);
"""
_POSTING = np.dtype(
    [("fields", ">i2")]
    + [c for n in ("term", "row", "count", "in_title", "length", "titles") for c in ((f"_{n}", ">i4"), (n, ">i4"))]
)
"""A posting as PostgreSQL's binary COPY reads it: the number of fields, and each behind its size in bytes."""
_BM25 = """
WITH about AS (SELECT documents AS n, words + %(titles)s * titles AS words FROM {s}.about),
query AS (SELECT t.number, q.weight FROM unnest(%(terms)s::text[], %(weights)s::float8[]) AS q(term, weight)
          JOIN {s}.terms t ON t.term = q.term),
hits AS MATERIALIZED (
    SELECT q.number, q.weight, p.row, p.count + %(titles)s * p.in_title AS count,
           p.length + %(titles)s * p.title_length + %(smoothing)s AS length
    FROM query q JOIN {s}.postings p ON p.term = q.number),
idf AS (SELECT number, ln(1 + ((SELECT n FROM about) - count(*) + 0.5) / (count(*) + 0.5::float8)) AS idf
        FROM hits GROUP BY number),
norm AS (SELECT greatest(words / greatest(n, 1)::float8 + %(smoothing)s, 1e-12) AS mean FROM about),
scored AS (
    SELECT h.row, sum(h.weight * i.idf * h.count * (%(k1)s + 1)
        / greatest(h.count + %(k1)s * (1 - %(b)s + %(b)s * h.length / (SELECT mean FROM norm)), 1e-12)) AS score
    FROM hits h JOIN idf i USING (number) GROUP BY h.row)
"""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Postgres:
    """A `Server`. The connection is made at the first call, and anew after it broke."""

    at: Address
    schema: str
    _connection: Any = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _tables: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    kinds = ("dense", "sparse")

    @property
    def address(self) -> str:
        return self.at.shown

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _transaction(self, writes: bool = False) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor in a transaction, which is committed at the end of the block; the only one of this object."""
        import psycopg

        with self._lock:
            try:
                connection = self._open()
                with connection.transaction(), connection.cursor() as cursor:
                    if writes:
                        self._run(cursor, "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.schema])
                    yield cursor
            except psycopg.Error as error:
                raise self._error(error) from None

    def _open(self) -> Any:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        if self._connection is None or self._connection.closed:
            # The collection's name is no part of what the server is told; it ends the path.
            url, mark, query = self.at.url.partition("?")
            url = url.rstrip("/").rpartition("/")[0]
            try:
                options: dict[str, Any] = dict(conninfo_to_dict(f"{url}{mark}{query}"))
            except psycopg.Error:
                raise InputError(
                    f"{self.address}: can't be read as an address of PostgreSQL: special characters of a password are "
                    "written as %XX, or leave it to PGPASSWORD or ~/.pgpass"
                ) from None
            options.setdefault("connect_timeout", 10)
            options.setdefault("application_name", "anyrank")
            options.setdefault("tcp_user_timeout", 30_000)
            options["client_encoding"] = "utf8"  # which the reading of texts relies on
            self._connection = psycopg.connect(**options, autocommit=True, prepare_threshold=None)
            weakref.finalize(self, self._connection.close)  # with this object, as files are
            # Of short queries a compilation would take longer than the query.
            self._connection.execute("SET jit = off")
        return self._connection

    def _error(self, error: psycopg.Error) -> Exception:
        """The error in our words, without a password."""
        from psycopg import errors

        text = short(" ".join(self.at.scrubbed(error).split()), 300)
        if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
            return InputError(f"{self.address}: the collection is gone, or not whole: {text}")
        if isinstance(error, errors.UndefinedColumn | errors.DatatypeMismatch | errors.UndefinedFunction):
            return InputError(f"{self.address}: its tables are not as anyrank made them: {text}")
        if isinstance(error, errors.InsufficientPrivilege):
            return StoreError(f"{self.address}: this user may not do that: {text}")
        if isinstance(error, errors.DiskFull):
            return StoreError(f"{self.address}: the server's disk is full: {text}")
        if self._connection is None:
            missing = error.pgconn is not None and error.pgconn.needs_password
            if missing or "password authentication failed" in text:
                text += ". Give the user's password in PGPASSWORD, ~/.pgpass or the address"
            return StoreError(f"{self.address}: can't connect: {text}. What was acknowledged is kept")
        if self._connection.closed or (isinstance(error, errors.OperationalError) and error.sqlstate is None):
            self.close()
            return StoreError(f"{self.address}: the connection broke off: {text}. What was acknowledged is kept")
        return StoreError(f"{self.address}: the server refuses: {text}")

    def _sql(self, text: str, **names: str) -> Any:
        """An SQL text with the schema and other identifiers put in."""
        from psycopg import sql

        identifiers = {n: sql.Identifier(self.schema, v) for n, v in names.items()}
        form: Any = sql.SQL
        return form(text).format(s=sql.Identifier(self.schema), **identifiers)

    def _run(self, cursor: Any, text: str, values: Any = None, **names: str) -> Any:
        return cursor.execute(self._sql(text, **names), values)

    def _table(self, name: str) -> str:
        """The table of the vectors of a name."""
        return "vectors_" + str(self._described(name)["table"])

    def _described(self, name: str) -> Mapping[str, Any]:
        if name not in self._tables:
            self.read()
        if name not in self._tables:
            raise InputError(f"{self.address}: holds no vectors {name!r:.80}")
        return self._tables[name]

    def read(self) -> About | None:
        with self._transaction() as cursor:
            self._run(cursor, "SELECT 1 FROM pg_namespace WHERE nspname = %s", [self.schema])
            if cursor.fetchone() is None:
                return None
            self._run(cursor, "SELECT to_regclass(%s) IS NULL", [f'"{self.schema}".about'])
            if cursor.fetchall() == [(True,)]:
                raise InputError(
                    f"{self.address}: the database has a schema {self.schema!r} that is no collection of anyrank: "
                    "choose another name"
                )
            row = self._run(cursor, "SELECT value FROM {s}.about").fetchone()
        about = About.from_json(row and row[0], self.address)
        self._tables = dict(about.vectors)
        return about

    def create(self, about: About) -> None:
        from psycopg.types.json import Json

        with self._transaction(writes=True) as cursor:
            self._run(cursor, "CREATE SCHEMA {s}")
            self._run(cursor, _TABLES)
            self._run(cursor, "INSERT INTO {s}.about VALUES (%s, 0, 0, 0)", [Json(about.to_json())])
        self._tables = dict(about.vectors)

    def drop(self) -> None:
        with self._transaction(writes=True) as cursor:
            self._run(cursor, "DROP SCHEMA {s} CASCADE")
        self._tables = {}

    def write(self, about: About) -> None:
        from psycopg.types.json import Json

        with self._transaction(writes=True) as cursor:
            self._run(cursor, "UPDATE {s}.about SET value = %s", [Json(about.to_json())])

    def count(self) -> int:
        with self._transaction() as cursor:
            (row,) = self._run(cursor, "SELECT documents FROM {s}.about").fetchall()
        return int(row[0])

    def present(self, ids: Sequence[str]) -> set[str]:
        with self._transaction() as cursor:
            self._run(cursor, "SELECT id FROM {s}.documents WHERE id = ANY(%s)", [storable(ids)])
            return {i for (i,) in cursor}

    def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        text = "SELECT id, content::text, meta::text FROM {s}.documents WHERE id = ANY(%s)"
        with self._transaction() as cursor:
            self._run(cursor, text, [storable(ids)])
            return {i: document(content, meta) for i, content, meta in cursor}

    def ids(self) -> Iterable[str]:
        last = 0
        while True:
            with self._transaction() as cursor:
                text = "SELECT row, id FROM {s}.documents WHERE row > %s ORDER BY row LIMIT %s"
                rows = self._run(cursor, text, [last, _PAGE]).fetchall()
            yield from (i for _, i in rows)
            if not rows:
                return
            last = rows[-1][0]

    def put(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if "\0" in entry.id:
                raise InputError(f"document id {quoted(entry.id)}: PostgreSQL holds no id with a null character")
        with self._transaction(writes=True) as cursor:
            self._delete(cursor, [e.id for e in entries])
            numbers = self._numbers(
                cursor, {t for e in entries for t in e.words} | {t for e in entries for t in e.title}
            )
            copied = "COPY {s}.documents (id, content, meta, facts, terms, length, title_length) FROM STDIN"
            with cursor.copy(self._sql(copied)) as copy:
                for e in entries:
                    terms = sorted(numbers[t] for t in e.words.keys() | e.title.keys())
                    copy.write_row((e.id, e.content, e.meta, list(e.facts), terms, e.length, e.title_length))
            self._run(cursor, "SELECT id, row FROM {s}.documents WHERE id = ANY(%s)", [[e.id for e in entries]])
            rows = dict(cursor.fetchall())
            with cursor.copy(self._sql("COPY {s}.postings FROM STDIN (FORMAT BINARY)")) as copy:
                copy.write(_SIGNATURE + postings(entries, rows, numbers).tobytes() + b"\xff\xff")
            self._count(cursor, len(entries), sum(e.length for e in entries), sum(e.title_length for e in entries))

    def _numbers(self, cursor: Any, terms: set[str]) -> dict[str, int]:
        """The numbers of terms; unknown ones get one. (An upsert would use up a number for each known term.)"""
        ordered = sorted(terms)
        text = "SELECT term, number FROM {s}.terms WHERE term = ANY(%s)"
        numbers = dict(self._run(cursor, text, [ordered]).fetchall())
        new = [t for t in ordered if t not in numbers]
        text = "INSERT INTO {s}.terms (term) SELECT unnest(%s::text[]) RETURNING term, number"
        return numbers | dict(self._run(cursor, text, [new]).fetchall())

    def _count(self, cursor: Any, documents: int, words: int, titles: int) -> None:
        text = "UPDATE {s}.about SET documents = documents + %s, words = words + %s, titles = titles + %s"
        self._run(cursor, text, [documents, words, titles])

    def _delete(self, cursor: Any, ids: Sequence[str]) -> int:
        """Documents removed from all tables, with their share of the statistics."""
        text = "SELECT row, length, title_length FROM {s}.documents WHERE id = ANY(%s)"
        rows = self._run(cursor, text, [storable(ids)]).fetchall()
        if rows:
            some = [row for row, _, _ in rows]
            self._run(
                cursor,
                "DELETE FROM {s}.postings p USING {s}.documents d, unnest(d.terms) AS t(term) "
                "WHERE d.row = ANY(%s) AND p.term = t.term AND p.row = d.row",
                [some],
            )
            self._run(cursor, "DELETE FROM {s}.documents WHERE row = ANY(%s)", [some])
            self._count(cursor, -len(rows), -sum(r[1] for r in rows), -sum(r[2] for r in rows))
        return len(rows)

    def delete(self, ids: Sequence[str]) -> int:
        with self._transaction(writes=True) as cursor:
            return self._delete(cursor, ids)

    def words(self, weights: Mapping[str, float], k: int, among: Sequence[Clause], settings: Settings) -> Hits:
        terms = {t: float(w) for t, w in weights.items() if "\0" not in t}
        values: dict[str, Any] = {"terms": list(terms), "weights": list(terms.values()), "k": k}
        values |= {"k1": float(settings.k1), "b": float(settings.b)}
        values |= {"titles": float(settings.title - 1), "smoothing": float(settings.smoothing)}
        best = "SELECT row, score FROM scored WHERE score > 0 ORDER BY score DESC, row LIMIT %(k)s"
        if among:
            condition = _condition(among, values)
            best = (
                "SELECT s.row, s.score FROM scored s JOIN {s}.documents d USING (row) "
                f"WHERE s.score > 0 AND {condition} ORDER BY s.score DESC, s.row LIMIT %(k)s"
            )
        text = f"{_BM25} SELECT d.id, b.score FROM ({best}) b JOIN {{s}}.documents d USING (row) ORDER BY 2 DESC, d.row"
        with self._transaction() as cursor:
            self._run(cursor, f"SET LOCAL work_mem = '{_MEMORY}'")
            return [(i, float(score)) for i, score in self._run(cursor, text, values)]

    def frequencies(self, terms: Sequence[str]) -> dict[str, tuple[int, float]]:
        text = (
            "SELECT t.term, count(*), sum(p.count) FROM {s}.terms t JOIN {s}.postings p ON p.term = t.number "
            "WHERE t.term = ANY(%s) GROUP BY t.term"
        )
        with self._transaction() as cursor:
            return {t: (int(n), float(total)) for t, n, total in self._run(cursor, text, [storable(terms)])}

    def check_vectors(self, kind: str, dim: int, index: str, options: Mapping[str, Any]) -> None:
        if index == "approximate":
            self._graph_options(kind, dim, options)

    def open_vectors(self, name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        kind, dim, options = described["kind"], int(described["dim"]), described.get("options", {})
        graph = described["index"] == "approximate"
        check_index(self.address, described["index"])
        chosen = self._graph_options(kind, dim, options) if graph else {}
        if options and not graph:
            raise InputError(f"{self.address}: the index nearest has no options: add --ann")
        known = self._tables.get(name)
        number = known["table"] if known else 1 + max((t["table"] for t in self._tables.values()), default=0)
        names = {"t": f"vectors_{number}"}
        with self._transaction(writes=True) as cursor:
            self._extension(cursor)
            column = f"vector({dim})" if kind == "dense" else f"sparsevec({dim})"
            self._run(
                cursor,
                "CREATE TABLE IF NOT EXISTS {t} (row int PRIMARY KEY REFERENCES {s}.documents ON DELETE CASCADE, "
                f"vector {column})",
                **names,
            )
            self._run(cursor, "DROP INDEX IF EXISTS {i}", i=f"graph_{number}")
            if graph:
                value = "vector vector_ip_ops" if dim <= _DENSE else f"(vector::halfvec({dim})) halfvec_ip_ops"
                index = f"CREATE INDEX {{i}} ON {{t}} USING hnsw ({value}) WITH (m = %s, ef_construction = %s)"
                text = index % (chosen["connectivity"], chosen["expansion_add"])
                # an index is named without its schema
                self._run(cursor, text.replace("{i}", f'"graph_{number}"'), **names)
        self._tables[name] = {**described, "options": chosen, "table": number}
        return self._tables[name]

    def _extension(self, cursor: Any) -> None:
        """pgvector, made ready. Raises InputError if the server hasn't got it."""
        self._run(cursor, "SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cursor.fetchone() is None:
            self._run(cursor, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
            if cursor.fetchone() is None:
                raise InputError(
                    f"{self.address}: the server has no pgvector, which vectors need: install it there "
                    "(Debian: postgresql-NN-pgvector), or leave --encode out"
                )
            self._run(cursor, "CREATE EXTENSION vector SCHEMA public")

    def _graph_options(self, kind: str, dim: int, options: Mapping[str, Any]) -> dict[str, int]:
        """The options of a graph with their defaults. Raises InputError on unknown ones and on vectors that pgvector
        has no graph for."""
        if kind != "dense" or dim > _HALF:
            raise InputError(
                f"{self.address}: pgvector's graph takes dense vectors of at most {_HALF:,} numbers, not {kind} ones "
                f"of {dim:,}: search them without --ann"
            )
        if unknown := sorted(set(options) - set(_OPTIONS)):
            raise InputError(f"{self.address}: no option {unknown[0]!r:.40}: there are {', '.join(_OPTIONS)}")
        chosen = {**_OPTIONS, **options}
        for option, value in chosen.items():
            low, high = _MOST[option]
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"{option}={value!r:.40}: expected a whole number from {low} to {high}")
        if chosen["expansion_add"] < 2 * chosen["connectivity"]:
            raise InputError(
                f"expansion_add={chosen['expansion_add']}: expected at least twice connectivity "
                f"({chosen['connectivity']}), as pgvector needs it"
            )
        return chosen

    def unencoded(self, name: str, most: int) -> list[str]:
        text = (
            "SELECT d.id FROM {s}.documents d WHERE NOT EXISTS (SELECT 1 FROM {t} v WHERE v.row = d.row) "
            "ORDER BY d.row LIMIT %s"
        )
        with self._transaction() as cursor:
            return [i for (i,) in self._run(cursor, text, [most], t=self._table(name))]

    def put_vectors(self, name: str, ids: Sequence[str], vectors: Vectors, blank: Sequence[bool]) -> None:
        if not np.isfinite(values := vectors.arrays()["dense" if vectors.kind == "dense" else "values"]).all():
            raise InputError(f"{name}: a vector holds a number that is not finite")
        del values
        with self._transaction(writes=True) as cursor:
            text = "SELECT id, row FROM {s}.documents WHERE id = ANY(%s)"
            rows = dict(self._run(cursor, text, [storable(ids)]).fetchall())  # one may be deleted meanwhile
            table = self._table(name)
            self._run(cursor, "DELETE FROM {t} WHERE row = ANY(%s)", [list(rows.values())], t=table)
            known = [n for n, i in enumerate(ids) if i in rows]
            with cursor.copy(self._sql("COPY {t} FROM STDIN (FORMAT BINARY)", t=table)) as copy:
                copy.write(_SIGNATURE)
                for start in range(0, len(known), 512):
                    part = known[start : start + 512]
                    copy.write(_tuples([rows[ids[n]] for n in part], vectors.take(part), [blank[n] for n in part]))
                copy.write(b"\xff\xff")

    def near(self, name: str, query: Vectors, k: int, among: Sequence[Clause], exact: bool) -> Hits:
        described = self._described(name)
        graph = described["index"] == "approximate" and not exact
        sparse, dim = described["kind"] == "sparse", int(described["dim"])
        values: dict[str, Any] = {"k": k, "query": _written(query)}
        half = graph and dim > _DENSE
        kind = f"halfvec({dim})" if half else "sparsevec" if sparse else "vector"
        far = f"v.vector{f'::{kind}' if half else ''} <#> %(query)s::{kind}"
        condition = " AND ".join(
            [
                "v.vector IS NOT NULL",
                *([f"{far} < 0"] if sparse else []),
                *([_condition(among, values)] if among else []),
            ]
        )
        joined = "JOIN {s}.documents d USING (row)" if among else ""
        # An expression that isn't the index's own is computed for all documents.
        order = far if graph else f"({far}) + 0"
        best = f"SELECT v.row, {far} AS far FROM {{t}} v {joined} WHERE {condition} ORDER BY {order} LIMIT %(k)s"
        text = f"SELECT d.id, -b.far FROM ({best}) b JOIN {{s}}.documents d USING (row) ORDER BY b.far, b.row"
        table = self._table(name)
        with self._transaction() as cursor:
            if graph:
                width = min(max(k, int(described["options"]["expansion_search"])), 1000)
                self._run(cursor, f"SET LOCAL hnsw.ef_search = {width}")
                self._run(cursor, "SET LOCAL hnsw.iterative_scan = strict_order")
            hits = [(i, float(score)) for i, score in self._run(cursor, text, values, t=table)]
        if graph and len(hits) < k:  # a graph stops after so many nodes, if few of them pass the filter
            return self.near(name, query, k, among, exact=True)
        return hits

    def vectors(self, name: str, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        described = self._described(name)
        text = (
            "SELECT d.id, v.vector FROM {t} v JOIN {s}.documents d USING (row) "
            "WHERE d.id = ANY(%s) AND v.vector IS NOT NULL"
        )
        with self._transaction() as _, self._connection.cursor(binary=True) as cursor:
            self._run(cursor, text, [storable(ids)], t=self._table(name))
            stored = {(i.decode() if isinstance(i, bytes) else i): bytes(v) for i, v in cursor}
        positions = [p for p, i in enumerate(ids) if i in stored]
        rows = [stored[ids[p]] for p in positions]
        if not rows:
            return [], None
        if described["kind"] == "dense":
            return positions, Dense(np.stack([np.frombuffer(r, ">f4", offset=4).astype(np.float32) for r in rows]))
        return positions, Sparse.of([_sparse(r) for r in rows], int(described["dim"]))


def storable(texts: Sequence[str]) -> list[str]:
    """The texts that PostgreSQL can hold, so that one may be there: those without a null character or a lone
    surrogate."""
    return [t for t in texts if "\0" not in t and not re.search("[\ud800-\udfff]", t)]


def postings(entries: Sequence[Entry], rows: Mapping[str, int], numbers: Mapping[str, int]) -> Any:
    """The postings of documents as an array of `_POSTING`, by term, so that those of a term lie together on disk."""
    columns = np.array(
        [
            (numbers[t], rows[e.id], e.words.get(t, 0), e.title.get(t, 0), e.length, e.title_length)
            for e in entries
            for t in e.words.keys() | e.title.keys()
        ],
        dtype=np.int64,
    ).reshape(-1, 6)
    columns = columns[np.lexsort((columns[:, 1], columns[:, 0]))]
    out = np.zeros(len(columns), dtype=_POSTING)
    out["fields"] = 6
    for column, name in enumerate(("term", "row", "count", "in_title", "length", "titles")):
        out[f"_{name}"] = 4
        out[name] = columns[:, column]
    return out


def _condition(among: Sequence[Clause], values: dict[str, Any]) -> str:
    """A filter as a condition on the documents ``d``; its terms are added to the ``values`` of the statement."""
    out = []
    for number, clause in enumerate(among):
        values[f"facts{number}"] = list(clause.terms)
        out.append(f"{'NOT ' if clause.negated else ''}d.facts && %(facts{number})s::text[]")
    return " AND ".join(out)


def _written(query: Vectors) -> str:
    """A query's vector in pgvector's text form."""
    if isinstance(query, Sparse):
        return f"{{{','.join(f'{n + 1}:{w!r}' for n, w in query.row(0).items() if w)}}}/{query.dim}"
    return f"[{','.join(map(repr, query.dense()[0].tolist()))}]"


def _tuples(rows: Sequence[int], vectors: Vectors, blank: Sequence[bool]) -> bytes:
    """Rows and their vectors as PostgreSQL's binary COPY and pgvector read them."""
    out = []
    for n, row in enumerate(rows):
        if blank[n]:
            value = b""
        elif isinstance(vectors, Sparse):
            some = vectors.row(n)
            head = np.array([vectors.dim, len(some), 0, *some], dtype=">i4").tobytes()
            value = head + np.array(list(some.values()), dtype=">f4").tobytes()
        else:
            value = np.array([vectors.dim, 0], dtype=">i2").tobytes() + vectors.dense()[n].astype(">f4").tobytes()
        size = np.array([-1 if blank[n] else len(value)], dtype=">i4").tobytes()
        out.append(b"\0\2" + np.array([4, row], dtype=">i4").tobytes() + size + value)
    return b"".join(out)


def _sparse(data: bytes) -> dict[int, float]:
    """A sparse vector as pgvector sends it."""
    _, n, _ = np.frombuffer(data, ">i4", count=3)
    indices = np.frombuffer(data, ">i4", count=n, offset=12)
    return dict(zip(indices.tolist(), np.frombuffer(data, ">f4", count=n, offset=12 + 4 * int(n)).tolist()))


def open_server(address: Address) -> Postgres:
    """The server of an address. Raises MissingExtra without psycopg."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    if len(address.path) > 1:
        raise InputError(f"{address.shown}: expected postgresql://USER@HOST/DATABASE/COLLECTION")
    return Postgres(address, address.name)
