"""A collection: documents, their lexical index, and the vectors of any number of encoders, kept in step."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from ..core.trace import Usage
from ..core.types import Candidate
from ..disk import alone
from ..vectors import Encoder
from .lexical import Lexical
from .nearest import Nearest
from .postings import Postings, PostingsIndex
from .vector_store import VectorStore

log = logging.getLogger(__name__)

_SHARD = 8192
Encoders = Mapping[str, Encoder]


@dataclass(slots=True, eq=False)
class Collection:
    """A folder made by ``build``, opened."""

    path: Path
    lexical: Lexical
    _vectors: dict[str, Nearest] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Collection:
        """Raises InputError as ``Lexical.open`` does."""
        return cls(Path(path), Lexical.open(path))

    def __len__(self) -> int:
        return len(self.lexical)

    def get(self, ids: Sequence[str]) -> list[Candidate]:
        """The documents of these ids, in this order. Raises InputError on an unknown id."""
        return self.lexical.get(ids)

    def documents(self) -> Iterator[Candidate]:
        """All documents, oldest first."""
        return self.lexical.documents()

    @property
    def encoded(self) -> list[str]:
        """Names of the encoders whose vectors are stored."""
        return sorted(p.parent.name for p in (self.path / "vectors").glob("*/vectors.json"))

    def vectors(self, name: str) -> Nearest:
        """The index over the stored vectors of that name. Raises InputError where there are none."""
        if name not in self._vectors:
            if name not in self.encoded:
                known = ", ".join(self.encoded) or "none"
                raise InputError(f"holds no vectors {name!r} (it has: {known}): encode it first", path=self.path)
            store = VectorStore.open(self._folder(name))
            sparse = store.kind == "sparse"
            self._vectors[name] = (
                PostingsIndex(store, self.lexical, postings=Postings.open(store.folder))
                if sparse
                else Nearest(store, self.lexical)
            )
        return self._vectors[name]

    def _folder(self, name: str) -> Path:
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise InputError(f"name {name!r}: use letters, digits, '.', '+', '-' and '_'")
        return self.path / "vectors" / name

    def encode(
        self,
        encoder: Encoder,
        name: str | None = None,
        *,
        dtype: str = "float32",
        shard: int = _SHARD,
        on_progress: Callable[[int], None] | None = None,
    ) -> Usage:
        """Vectors of every document that has none yet, and what they cost; ``on_progress`` gets the number done.

        Every ``shard`` documents are written at once; after a kill, the same call goes on with what is missing. Raises
        InputError where another process encodes with the same name, and on a model that makes no vectors.
        ``dtype="float16"`` halves the disk; a single dense query then takes about six times as long (its conversion).
        """
        name = name or encoder.name
        if not hasattr(encoder, "encode"):
            raise InputError(f"{name} scores candidates and makes no vectors: encode with a dense or sparse model")
        folder = self._folder(name)
        if not self._missing(name):
            return self._turned_over(name)
        (self.path / "vectors").mkdir(exist_ok=True)
        busy = f"another process is encoding its documents with {name!r}: wait until it is done"
        with alone(self.path / "vectors" / f".{name}.lock", self.path, busy):
            usage = self._encode(encoder, name, folder, dtype, shard, on_progress)
            return usage + self._turned_over(name)

    def _missing(self, name: str) -> list[int]:
        """The rows that have no vector of that name."""
        if name in self.encoded:
            return self.vectors(name).missing()
        return [r for rows in self.lexical.live() for r in rows]

    def _encode(
        self,
        encoder: Encoder,
        name: str,
        folder: Path,
        dtype: str,
        shard: int,
        on_progress: Callable[[int], None] | None,
    ) -> Usage:
        todo, usage = self._missing(name), Usage()  # another process may have made some meanwhile
        done = len(self) - len(todo)
        for start in range(0, len(todo), shard):
            rows = todo[start : start + shard]
            encoded = encoder.encode([d.content for d in self.lexical.rows.candidates(rows)])
            VectorStore.create(folder, encoded.vectors, dtype).append(rows, encoded.vectors)
            usage, done = usage + encoded.usage, done + len(rows)
            if on_progress is not None:
                on_progress(done)
        return usage

    def _turned_over(self, name: str) -> Usage:
        """Nothing spent: sparse vectors get the lists by term that they lack."""
        if name in self.encoded:
            self.vectors(name).update()
        return Usage()

    def add(self, docs: Iterable[Candidate], encoders: Encoders | None = None) -> int:
        """New documents in every part, and how many. Raises InputError on an id that is there already."""
        return self._changed(self.lexical.add(docs), encoders)

    def update(self, docs: Iterable[Candidate], encoders: Encoders | None = None) -> int:
        """Documents added or replaced in every part, and how many."""
        return self._changed(self.lexical.update(docs), encoders)

    def delete(self, ids: Iterable[str]) -> int:
        """Documents removed from every part, and how many."""
        return self.lexical.delete(ids)

    def _changed(self, count: int, encoders: Encoders | None) -> int:
        """Old vectors are void from here on; new ones come from ``encoders``, by name, or from a later ``encode``."""
        for name in self.encoded:
            if encoders and name in encoders:
                self.encode(encoders[name], name)
            elif lacking := len(self.vectors(name).missing()):
                log.warning("%d documents have no vectors %r and are not found by them: encode again", lacking, name)
        return count
