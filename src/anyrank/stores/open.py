"""Opens a collection by a folder or an address: what a pipeline is given is the same to it."""

from __future__ import annotations

import importlib
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..index.sharded import open_collection
from ..store.linked import is_linked
from ..store.manifest import NAME
from .address import FILES, Address, is_address
from .base import Server
from .remote import Remote


def open_index(index: str | PathLike[str]) -> Any:
    """The collection of a folder (`Collection`, also of shards), or on a server (`Remote`) if the text is an address.
    Raises InputError if there is none, StoreError if its server can't be reached, MissingExtra without its client."""
    return Remote.open(open_server(index)) if is_address(index) else open_collection(fspath(index))


def is_index(index: str | PathLike[str]) -> bool:
    """Whether a text names an index, finished or not: a folder, also of shards, or an address."""
    return is_address(index) or (Path(index) / NAME).is_file() or is_linked(index)


def open_server(address: Any) -> Server:
    """The server of an address, not asked yet."""
    parts = Address.of(address)
    server: Server = importlib.import_module(f".{FILES[parts.scheme]}", __package__).open_server(parts)
    return server
