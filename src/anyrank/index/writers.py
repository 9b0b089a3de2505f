"""Keeps writers out of a collection while its files are copied or replaced; readers go on."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..core.errors import InputError
from ..disk import alone
from ..store.engine import FOLDER
from ..store.vector_names import META

_LOCK = ".tantivy-writer.lock"
"""The file that the engine's writer locks (flock)."""


@contextmanager
def writers_out(folder: Path) -> Iterator[None]:
    """A block during which no process writes documents or vectors. Raises InputError if one does, or the folder is
    read-only."""
    with ExitStack() as held:
        try:
            file = held.enter_context(open(folder / FOLDER / _LOCK, "ab"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another process is writing to this collection: wait until it ends", path=folder) from None
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror}", path=folder) from None
        for meta in sorted((folder / "vectors").glob(f"*/{META}")):
            name = meta.parent.name
            busy = f"another process is encoding its documents with {name!r}: wait until it is done"
            held.enter_context(alone(folder / "vectors" / f".{name}.lock", folder, busy))
        yield
