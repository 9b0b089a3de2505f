"""Fetches models from the Hugging Face hub with its own client, which does the listing, the cache, revisions and
resumed downloads. This file chooses the files to fetch and explains errors.

The environment is read at each call: HF_ENDPOINT (a mirror), HF_HUB_CACHE or HF_HOME (the cache), HF_TOKEN, and
HF_HUB_OFFLINE.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import MissingExtra, ModelError
from .folder import configuration_files, needed_files

_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at one revision: the ``folder`` of its fetched files, and the names of all ``files`` that it has."""

    folder: Path
    files: tuple[str, ...]


def is_hub_id(name: str) -> bool:
    """True if a name has the form of a hub id: "owner/name" or "owner/name@revision".

    >>> [is_hub_id(n) for n in ("owner/name", "owner/name@v1", "minilm", "./runs/mine", "/srv/model", "a/b/c")]
    [True, True, False, False, False, False]
    """
    repository = name.partition("@")[0]
    return repository.count("/") == 1 and not repository.startswith((".", "/", "~")) and not repository.endswith("/")


def fetch_configuration(name: str) -> Snapshot:
    """The configuration and the tokenizer of a hub id, without the weights. Raises ModelError."""
    return _fetch(name, configuration_files)


def fetch(name: str, runtime: str = "") -> Snapshot:
    """The configuration, the tokenizer and the weights of a hub id ("owner/name" or "owner/name@revision"), as
    `needed_files` chooses them. Taken from the cache if the hub can't be reached. Raises ModelError."""
    return _fetch(name, lambda names: needed_files(names, runtime))


def _fetch(name: str, choose: Callable[[Collection[str]], list[str]]) -> Snapshot:
    client = _Client.of(name)
    listing = client.listing()
    if listing is None:
        return client.cached(choose)
    return Snapshot(client.download(listing, choose(listing.files)), listing.files)


@dataclass(frozen=True, slots=True)
class Listing:
    """The names of a repository's files at a commit."""

    commit: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Client:
    """The hub's client for one repository. ``library`` is the module huggingface_hub."""

    name: str
    repository: str
    revision: str | None
    endpoint: str | None
    cache: str | None
    offline: bool
    library: Any

    @classmethod
    def of(cls, name: str) -> _Client:
        try:
            import huggingface_hub
            import huggingface_hub.constants
            import huggingface_hub.errors
        except ImportError as error:
            raise MissingExtra("huggingface_hub", "torch") from error
        repository, _, revision = name.partition("@")
        environment = os.environ
        cache = environment.get("HF_HUB_CACHE")
        if not cache and (home := environment.get("HF_HOME")):
            cache = str(Path(home) / "hub")
        offline = environment.get("HF_HUB_OFFLINE", "").upper() in _TRUE or huggingface_hub.constants.HF_HUB_OFFLINE
        endpoint = (environment.get("HF_ENDPOINT") or "").rstrip("/")
        return cls(name, repository, revision or None, endpoint or None, cache, offline, huggingface_hub)

    def listing(self) -> Listing | None:
        """The repository's files; None if offline or if the hub doesn't answer."""
        if self.offline:
            return None
        errors = self.library.errors
        try:
            info = self.library.HfApi(endpoint=self.endpoint).model_info(self.repository, revision=self.revision)
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
            raise ModelError(self._refused(error)) from error
        except errors.HfHubHTTPError as error:
            if error.response.status_code in (401, 403):
                raise ModelError(self._refused(error)) from error
            return None
        except Exception as error:  # the client's network errors are those of its HTTP library, which changes
            if not _is_network(error):
                raise
            return None
        return Listing(str(info.sha), tuple(s.rfilename for s in info.siblings or ()))

    def download(self, listing: Listing, files: Collection[str]) -> Path:
        """The snapshot's folder with the given files in it. Raises ModelError; a broken download is kept and
        resumed by the next call."""
        if folder := self._complete(listing.commit, files):
            return folder
        try:
            return Path(
                self.library.snapshot_download(
                    self.repository,
                    revision=self.revision,
                    allow_patterns=[glob.escape(f) for f in files],
                    endpoint=self.endpoint,
                    cache_dir=self.cache,
                )
            )
        except self.library.errors.HfHubHTTPError as error:
            raise ModelError(self._refused(error)) from error
        except Exception as error:
            if not _is_network(error) and not isinstance(error, OSError):
                raise
            raise ModelError(
                f"the download of {self.name!r} broke off ({_first_line(error)}): run the command again to resume it"
            ) from error

    def _complete(self, commit: str, files: Collection[str]) -> Path | None:
        """The folder of a commit in the cache, if all the files are in it."""
        paths = [
            (f, self.library.try_to_load_from_cache(self.repository, f, cache_dir=self.cache, revision=commit))
            for f in files
        ]
        if not paths or not all(isinstance(path, str) for _, path in paths):
            return None
        name, path = paths[0]
        return Path(path).parents[name.count("/")]

    def cached(self, choose: Callable[[Collection[str]], list[str]]) -> Snapshot:
        """The snapshot of the cache. Raises ModelError if it isn't there, or not complete."""
        try:
            folder = Path(
                self.library.snapshot_download(
                    self.repository,
                    revision=self.revision,
                    allow_patterns=[],
                    cache_dir=self.cache,
                    local_files_only=True,
                )
            )
        except (self.library.errors.LocalEntryNotFoundError, self.library.errors.HFValidationError) as error:
            raise ModelError(
                f"no model {self.name!r}: it is no local folder, not in the hub's cache, and {self._unreachable()}, "
                f"or copy the model's folder here and give its path"
            ) from error
        files = self._cached_listing() or tuple(
            p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
        )
        if missing := [f for f in choose(files) if not (folder / f).is_file()]:
            raise ModelError(
                f"{self.name!r} is in the hub's cache without {', '.join(missing[:3])}"
                f"{' and others' if len(missing) > 3 else ''}, and {self._unreachable()}"
            )
        return Snapshot(folder, files)

    def _cached_listing(self) -> tuple[str, ...]:
        """The names of the repository's files as they were listed when it was fetched; none by older clients."""
        try:
            from huggingface_hub import get_cached_repo_tree
            from huggingface_hub.errors import CachedRepoTreeNotFoundError
        except ImportError:
            return ()
        try:
            tree = get_cached_repo_tree(self.repository, revision=self.revision, cache_dir=self.cache)
        except CachedRepoTreeNotFoundError:
            return ()
        return tuple(f.path for f in tree)

    def _unreachable(self) -> str:
        if self.offline:
            return "HF_HUB_OFFLINE is set: unset it"
        address = self.endpoint or "https://huggingface.co"
        return f"the hub at {address} can't be reached: connect (HF_ENDPOINT may name a mirror)"

    def _refused(self, error: Exception) -> str:
        """The hub's refusal in words, with what to do about it."""
        errors = self.library.errors
        response = getattr(error, "response", None)
        status = response.status_code if response is not None else None
        if isinstance(error, errors.RevisionNotFoundError):
            return f"{self.repository!r} on the hub has no revision {self.revision!r}"
        if isinstance(error, errors.EntryNotFoundError):
            return f"a file of {self.name!r} is listed on the hub but not there ({_first_line(error)})"
        if isinstance(error, errors.GatedRepoError) or status == 403:
            return (
                f"{self.repository!r} is gated: ask for access on its page at the hub, then log in (`hf auth login`) or"
                f" set HF_TOKEN to a token that may read it"
            )
        if status == 401:
            return (
                f"the hub doesn't show {self.repository!r} to you: it doesn't exist (is the name spelt rightly?), or it"
                f" is private: then log in (`hf auth login`) or set HF_TOKEN to a token that may read it"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return f"there is no {self.repository!r} on the hub: is the name spelt rightly?"
        return f"can't fetch {self.name!r} from the hub: {type(error).__name__}: {_first_line(error)}"


def _is_network(error: Exception) -> bool:
    """True for network errors of the standard library or of the client's HTTP library."""
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or library in ("httpx", "httpx2", "httpcore", "requests")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
