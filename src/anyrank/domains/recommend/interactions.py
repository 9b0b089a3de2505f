"""Interactions of users with items, and tables of users and items: CSV, RecBole's atomic files, MovieLens 100k."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, listed, quoted
from ...io.files import File, empty
from ...io.records import check_columns, delimited, first_of, named_rows

Ints = NDArray[np.int64]
USER = ("user_id", "user", "userid", "uid")
ITEM = ("item_id", "item", "itemid", "movie_id", "movieid", "iid", "asin")
RATING = ("rating", "score", "stars")
TIME = ("timestamp", "time", "date")
Row = dict[str, str]


def read_table(path: File) -> list[tuple[int, Row]]:
    """(line, row) for every row of a table, by the names of its columns in lower case with underscores. Columns are
    parted by tabs (atomic files, ``name:type`` in their header, of which the type is dropped), by ``|``, or by commas
    and quoted as in CSV, and text that isn't UTF-8 is read as Latin-1 (`io.records.delimited`). MovieLens 100k's files
    have no header line: they are known by their width. Raises InputError on a file without rows, a row of another
    number of columns, and two columns of a name."""
    every = delimited(path)
    first = next(every, None)
    if first is None:
        raise empty(path, "a header line and rows")
    line, cells = first
    columns: Sequence[str] = [_column(name) for name in cells]
    rows: Iterable[tuple[int, list[str]]] = every
    if not any(name in columns for name in (*USER, *ITEM)) and (layout := _movielens(cells)):
        columns, rows = layout, chain([first], every)
    check_columns(path, columns, line)
    out: list[tuple[int, Row]] = [(n, dict(record)) for n, record in named_rows(path, columns, rows)]
    if not out:
        raise empty(path, "rows below the header line")
    return out


def _column(name: str) -> str:
    return name.partition(":")[0].strip().lower().replace(" ", "_").replace("-", "_")


GENRES = (
    "unknown", "action", "adventure", "animation", "children's", "comedy", "crime", "documentary", "drama", "fantasy",
    "film_noir", "horror", "musical", "mystery", "romance", "sci_fi", "thriller", "war", "western",
)  # fmt: skip
_LAYOUTS = (
    ("user_id", "item_id", "rating", "timestamp"),
    ("user_id", "age", "gender", "occupation", "zip_code"),
    ("movie_id", "movie_title", "release_date", "video_release_date", "imdb_url", *GENRES),
)
"""The columns of MovieLens 100k's u.data, u.user and u.item."""


def _movielens(cells: Sequence[str]) -> Sequence[str] | None:
    """The columns of a first row that is one of MovieLens 100k's; None if it is none.

    >>> _movielens(["196", "242", "3", "881250949"])
    ('user_id', 'item_id', 'rating', 'timestamp')
    """
    layout = next((names for names in _LAYOUTS if len(names) == len(cells)), None)
    if layout is None or not cells[0].isdecimal():
        return None
    numbers = {"item_id", "rating", "timestamp", "age", *GENRES}
    return layout if all(c.strip().isdecimal() for n, c in zip(layout, cells) if n in numbers) else None


def column(row: Row, names: Sequence[str], path: File, what: str) -> str:
    """The first of these names that is a column of a table's row. Raises InputError, which lists the columns, if none
    is."""
    name = first_of(row, tuple(names))
    if name is None:
        raise InputError(f"no column for {what} ({', '.join(names)}): the columns are {listed(row)}", path=path)
    return name


def read_attributes(path: File, names: Sequence[str]) -> dict[str, Row]:
    """The rows of a table of users or items by id, whose column is one of ``names``. Raises InputError on an id that is
    empty or comes twice."""
    rows = read_table(path)
    key = column(rows[0][1], names, path, "ids")
    out: dict[str, Row] = {}
    for n, row in rows:
        id = _id(row, key, path, n)
        if id in out:
            raise InputError(f"the {key} {quoted(id)} comes twice", path=path, line=n)
        out[id] = {name: value for name, value in row.items() if name != key}
    return out


def _id(row: Row, key: str, path: File, line: int) -> str:
    """The id in a column. Raises InputError if it is empty."""
    if not (id := row[key].strip()):
        raise InputError(f"the {key} is empty", path=path, line=line)
    return id


@dataclass(frozen=True)
class Interactions:
    """Who interacted with what: ``pairs`` [n, 2] are positions in ``users`` and ``items``, in the order of time (where
    there are times, else of the file), each pair once."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    pairs: Ints = field(repr=False)

    def by_user(self) -> list[list[int]]:
        """The positions of each user's items, oldest first."""
        out: list[list[int]] = [[] for _ in self.users]
        for user, item in self.pairs.tolist():
            out[user].append(item)
        return out

    def popularity(self) -> Ints:
        """The number of interactions of each item."""
        return np.bincount(self.pairs[:, 1], minlength=len(self.items))

    def only(self, chosen: NDArray[np.bool_]) -> Interactions:
        """The chosen pairs, with the same users and items."""
        return Interactions(self.users, self.items, self.pairs[chosen])


def read_interactions(path: File, least: float = -math.inf, items: Mapping[str, Row] | None = None) -> Interactions:
    """The interactions of a table with a rating of at least ``least`` (all if it has no ratings). ``items``: a table
    whose items without interactions are items too. Raises InputError on a rating or time that is no number."""
    rows = read_table(path)
    first = rows[0][1]
    user, item = column(first, USER, path, "users"), column(first, ITEM, path, "items")
    rating, time = first_of(first, RATING), first_of(first, TIME)
    known: list[tuple[float, str, str]] = []
    for n, row in rows:
        ids = _id(row, user, path, n), _id(row, item, path, n)
        try:
            value = math.inf if rating is None else float(row[rating])
            if math.isnan(value) or (time is not None and not math.isfinite(float(row[time]))):
                raise ValueError
        except ValueError:
            raise InputError("a rating or time is no number", path=path, line=n) from None
        if value >= least:
            known.append((float(row[time]) if time is not None else 0.0, *ids))
    if not known:
        raise InputError(f"no interaction has a rating of at least {least:g}", path=path)
    known.sort(key=lambda each: each[0])  # stable: the file's order among equal times
    once = dict.fromkeys((u, i) for _, u, i in known)
    users = {u: n for n, u in enumerate(dict.fromkeys(u for u, _ in once))}
    every = {i: n for n, i in enumerate(dict.fromkeys([*(i for _, i in once), *(items or ())]))}
    pairs = np.array([(users[u], every[i]) for u, i in once], dtype=np.int64)
    return Interactions(tuple(users), tuple(every), pairs)
