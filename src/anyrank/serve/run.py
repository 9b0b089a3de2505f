"""Runs a server: what it serves is read from `Options`, in this process or in several workers."""

from __future__ import annotations

import errno
import functools
import itertools
import json
import logging
import operator
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError, MissingExtra
from ..core.stage import Cut, Fuse, Limited, Stage, Then, Weighted
from ..pipeline.context import Settings
from ..pipeline.named import Named
from ..pipeline.parser import parse
from ..pipeline.text import text
from ..store.vector_names import model_of
from .service import Service, has_words

ENVIRONMENT = "ANYRANK_SERVE"
"""Hands the options to worker processes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``anyrank serve`` was told. ``pipelines`` are texts, each perhaps as NAME=PIPELINE; of the first the name
    is the default model. Without ``search``, an index is searched by the first pipeline if that begins with a search,
    else by BM25's best 100 given to it. ``page``: the playground is served at /; ``free``: it may run any pipeline;
    ``queries`` and ``qrels`` are files, or a collection, for it; ``spectra`` a file of spectra, whose peptides are in
    the files of ``engines`` (NAME=FILE)."""

    pipelines: tuple[str, ...] = ("mini",)
    search: str = ""
    index: str = ""
    embed: str = "minilm"
    allow: tuple[str, ...] = ()
    keys: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    seconds: float | None = 30.0
    batch: int = 32_768
    waiting: int = 1_000_000
    body: int = 16 * 2**20
    documents: int = 10_000
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    page: bool = True
    free: bool = False
    queries: str = ""
    qrels: str = ""
    spectra: str = ""
    engines: tuple[str, ...] = ()


def server(options: Options) -> Any:
    """The `app.Server` of options. Raises InputError on pipelines that can't be read, MissingExtra without the
    packages."""
    with _packages("serve"):
        from .app import Server
        from .keys import Keyring, read_keys
    keyring = Keyring(Path(options.keys) if options.keys else None)
    if keyring.path is not None:
        read_keys(keyring.path)
    hosts = (*options.hosts, options.host)
    served = service(options)
    page = _playground(options, served) if options.page else None
    limits = options.body, options.documents
    return Server(served, keyring, *limits, origins=options.origins, hosts=hosts, playground=page)


def _playground(options: Options, service: Service) -> Any:
    """The playground over a service, with the queries and judgements of the options."""
    from ..io.corpus import read_queries
    from ..io.dataset import Dataset
    from ..io.qrels import read_qrels
    from .playground.playground import Playground
    from .playground.spectra import read_spectra_with

    queries, qrels = [], {}
    if options.queries == "demo" or Path(options.queries or ".missing").is_dir():
        dataset = Dataset.open(options.queries)
        part = dataset.splits()[0]
        queries, qrels = dataset.queries(part), dataset.qrels(part)
    elif options.queries:
        queries = list(read_queries(options.queries))
    if options.qrels:
        qrels = read_qrels(options.qrels)
    bad: list[InputError] = []
    given = read_spectra_with(options.spectra, options.engines, bad) if options.spectra else {}
    return Playground(service, options.free, queries, qrels, given, [str(error) for error in bad])


def tools(options: Options) -> Any:
    """The MCP server of options. Raises as `server`."""
    with _packages("mcp"):
        from .mcp import mcp_server
    return mcp_server(service(options))


@contextmanager
def _packages(extra: str) -> Iterator[None]:
    """Raises MissingExtra for a missing package of an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra((error.name or "").partition(".")[0], extra) from error


def service(options: Options) -> Service:
    """The pipelines and the index of options, opened."""
    collection = None
    if options.index:
        from ..stores.open import open_index

        collection = open_index(options.index)
    stages, search = _stages([_named(p) for p in options.pipelines], options.search, collection)
    limits: dict[str, Any] = {"seconds": options.seconds, "batch": options.batch, "waiting": options.waiting}
    return Service(stages, search, collection, options.embed, options.allow, **limits)


def _named(text: str) -> tuple[str, str]:
    """A pipeline's name and text: NAME=PIPELINE, or the text alone, which is its own name.

    >>> _named("fast=tiny"), _named("bm25 % 100 >> rankgpt('m', depth=20)")[0][:4]
    (('fast', 'tiny'), 'bm25')
    """
    name, equals, rest = text.partition("=")
    return (name.strip(), rest.strip()) if equals and name.strip().replace("-", "_").isidentifier() else (text, text)


def _stages(texts: list[tuple[str, str]], search: str, collection: Any) -> tuple[dict[str, Stage], str]:
    """The stage that ranks given documents of each pipeline, and the text of the pipeline that searches the index, ""
    without one."""
    if collection is None:
        if search:
            raise InputError("--search needs an index: give --index")
        return {name: parse(written, starts=False) for name, written in texts}, ""
    settings = Settings(collection)
    for _, written in texts:
        try:
            parse(written, settings)
        except InputError as wrong:
            try:
                parse(written, settings, starts=False)
            except InputError:
                raise wrong from None
            continue  # it begins with a reranker, as texts for given documents do
        search = search or written
    search = search or _search(collection, texts[0][1])
    parse(search, settings)
    return {name: _for_given(written, settings) for name, written in texts}, search


def _search(collection: Any, first: str) -> str:
    """How an index is searched that no pipeline searches: BM25's best are given to the ``first``; of an index without
    words, by its vectors, those of several models fused."""
    if has_words(collection) or not collection.encoded:
        return f"bm25 % 100 >> ({first})"
    parts = [f"model({name!r}) % 100" for name in map(model_of, collection.encoded)]
    return parts[0] if len(parts) == 1 else " + ".join(f"({part})" for part in parts)


def _for_given(pipeline: str, settings: Settings) -> Stage:
    """What a pipeline does with documents that are given: what follows its last search, or, if nothing does, the same
    models as rerankers (mini if they can't be). It is read again without the index, whose stored vectors are of other
    documents that may have the same ids."""
    try:
        steps = list(_steps(parse(pipeline, settings)))
    except InputError:
        return parse(pipeline, starts=False)
    rest = _after_search(steps)
    if not rest:  # the cut of a search is none of the documents given
        with suppress(InputError):
            rest = [s for s in _after_search(list(_steps(parse(pipeline, settings, starts=False)))) if not _cuts(s)]
    return parse(text(functools.reduce(operator.rshift, rest)) if rest else "mini", starts=False)


def _after_search(steps: list[Stage]) -> list[Stage]:
    """The steps after the last that searches, and after its cut."""
    last = max((i for i, step in enumerate(steps) if _searches(step)), default=-1)
    return list(itertools.dropwhile(_cuts, steps[last + 1 :]))


def _cuts(stage: Stage) -> bool:
    return isinstance(stage, Cut)


def _steps(stage: Stage) -> Iterator[Stage]:
    """The stages of a chain, one after another."""
    if isinstance(stage, Then):
        yield from _steps(stage.first)
        yield from _steps(stage.second)
    else:
        yield stage


def _searches(stage: Stage) -> bool:
    if isinstance(stage, Fuse):
        return any(map(_searches, stage.stages))
    if isinstance(stage, Weighted | Then):
        return any(_searches(s) for s in ([stage.stage] if isinstance(stage, Weighted) else _steps(stage)))
    return isinstance(stage, Named) and stage.position != "after" and isinstance(stage.stage, Limited)


def application() -> Any:
    """The application of a worker process, whose options are in the environment."""
    values: dict[str, Any] = json.loads(os.environ[ENVIRONMENT])
    options = Options(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})  # type: ignore[arg-type]
    logs()
    return server(options).app()


def logs() -> None:
    """A line a request on standard error: JSON, without texts of documents and keys."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("anyrank.serve")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)


def serve(options: Options, on_start: Callable[[int], None] = lambda port: None) -> None:
    """Serves until it is stopped (SIGINT, SIGTERM), then answers what it accepted. Errors of options and of the address
    come first, before models are opened, then ``on_start`` is called with the port."""
    os.environ.setdefault("ANYRANK_SPIN", "0")  # cores are shared with other workers and with HTTP
    if options.workers > 1:
        os.environ.setdefault("ANYRANK_THREADS", str(max((os.cpu_count() or 1) // options.workers, 1)))
    with _packages("serve"):
        from uvicorn import Config
        from uvicorn import Server as Http
        from uvicorn.supervisors import Multiprocess

        from .protocol import BoundedProtocol
    with suppress(KeyboardInterrupt), listening(options.host, options.port) as listener:
        made = server(options)
        on_start(listener.getsockname()[1])
        config: dict[str, Any] = {
            "http": BoundedProtocol,
            "ws": "none",
            "log_level": "warning",
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": 30,
            "timeout_keep_alive": 30,
        }
        if options.workers == 1:
            logs()
            Http(Config(made.app(), **config)).run([listener])
            return
        with _shared_metrics():
            os.environ[ENVIRONMENT] = json.dumps(asdict(options))
            workers = Config(f"{__name__}:application", factory=True, workers=options.workers, **config)
            Multiprocess(workers, sockets=[listener]).run()


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address, at a free port for 0. Raises InputError if it can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # so that no other takes the port while models are opened
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            cure = f"stop it, or choose another port: --port {port + 1 if port < 65535 else 0} (0: any that is free)"
            raise InputError(f"another program listens at port {port} of {host}: {cure}") from None
        if error.errno == errno.EACCES:
            raise InputError(f"port {port} needs root's rights: choose one above 1023: --port 8000") from None
        raise InputError(f"can't listen at {host}: {error.strerror}: give an address of this machine") from None
    listener.set_inheritable(True)
    return listener


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which the workers' counters meet."""
    folder = tempfile.mkdtemp(prefix="anyrank-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
