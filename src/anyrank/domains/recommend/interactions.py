"""Interactions of users with items, and tables of users and items: CSV, RecBole's atomic files, MovieLens 100k."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, listed
from ...io.files import File, empty, lines, longest

Ints = NDArray[np.int64]
USER = ("user_id", "user", "userid", "uid")
ITEM = ("item_id", "item", "itemid", "movie_id", "movieid", "iid", "asin")
RATING = ("rating", "score", "stars")
TIME = ("timestamp", "time", "date")
Row = dict[str, str]


def read_table(path: File) -> list[Row]:
    """The rows of a table with a header line, by the names of its columns in lower case with underscores. Columns are
    parted by tabs (atomic files, ``name:type`` in their header, of which the type is dropped), by ``|``, or by commas
    and quoted as in CSV. Text that isn't UTF-8 is read as Latin-1. Raises
    InputError on a file without rows, or a row of another number of columns.
    """
    raw = b"".join(line for _, line in lines(path))
    if not raw.strip():
        raise empty(path, "a header line and rows")
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # MovieLens 100k's table of films
        text = raw.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text.partition("\n")[0]
    parting = next((sign for sign in "\t|" if sign in first), ",")
    source = io.StringIO(text)
    csv.field_size_limit(max(csv.field_size_limit(), longest()))
    reader = csv.reader(source) if parting == "," else csv.reader(source, delimiter=parting, quoting=csv.QUOTE_NONE)
    header = [name.partition(":")[0].strip().lower().replace(" ", "_").replace("-", "_") for name in next(reader)]
    rows: list[Row] = []
    try:
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                what = f"{len(values)} columns, and the header has {len(header)}"
                raise InputError(what, path=path, line=reader.line_num)
            rows.append(dict(zip(header, values)))
    except csv.Error as error:  # a cell beyond the longest record
        raise InputError(f"no table that can be read: {error}", path=path, line=reader.line_num) from None
    if not rows:
        raise empty(path, "rows below the header line")
    return rows


def column(rows: Sequence[Row], names: Sequence[str], path: File, what: str) -> str:
    """The first of these names that is a column. Raises InputError, which lists the columns, if none is."""
    found = next((name for name in names if name in rows[0]), None)
    if found is None:
        raise InputError(f"no column for {what} ({', '.join(names)}): the columns are {listed(rows[0])}", path=path)
    return found


def read_attributes(path: File, names: Sequence[str]) -> dict[str, Row]:
    """The rows of a table of users or items by id, whose column is one of ``names``."""
    rows = read_table(path)
    key = column(rows, names, path, "ids")
    return {row[key]: {name: value for name, value in row.items() if name != key} for row in rows}


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
    user, item = column(rows, USER, path, "users"), column(rows, ITEM, path, "items")
    rating = next((name for name in RATING if name in rows[0]), None)
    time = next((name for name in TIME if name in rows[0]), None)
    known: list[tuple[float, str, str]] = []
    for n, row in enumerate(rows, 2):
        try:
            value = math.inf if rating is None else float(row[rating])
            if math.isnan(value) or (time is not None and not math.isfinite(float(row[time]))):
                raise ValueError
            if value >= least:
                known.append((float(row[time]) if time is not None else 0.0, row[user], row[item]))
        except ValueError:
            raise InputError("a rating or time is no number", path=path, line=n) from None
    if not known:
        raise InputError(f"no interaction has a rating of at least {least:g}", path=path)
    known.sort(key=lambda each: each[0])  # stable: the file's order among equal times
    once = dict.fromkeys((u, i) for _, u, i in known)
    users = {u: n for n, u in enumerate(dict.fromkeys(u for u, _ in once))}
    every = {i: n for n, i in enumerate(dict.fromkeys([*(i for _, i in once), *(items or ())]))}
    pairs = np.array([(users[u], every[i]) for u, i in once], dtype=np.int64)
    return Interactions(tuple(users), tuple(every), pairs)
