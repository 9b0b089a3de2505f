"""Search of compressed token states in stages, as in PLAID (arXiv 2205.09707), or by the scores of WARP (arXiv
2501.17788).

Texts are found by the centroids that are nearest to the query's states. PLAID scores them by their centroids alone,
drops most twice, and reconstructs the states of the rest. WARP scores only the states that belong to the centroids
probed, and lends a text the *imputed* score of a query's state for which it has none among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, reason
from ..store.checksums import SUMS, Problem, array_problems, file_checksum
from ..store.manifest import write_json
from ..store.store import Store
from ..vectors import Tokens, Vectors
from ..vectors.base import single
from ..vectors.residual import BITS, Codec, Residual, centroid_count, sample_size
from ..vectors.sparse import spans
from ..vectors.tokens import maxima
from .derived import derived_folder, no_option, whole_number
from .nearest import Best, Floats, Mask, Nearest, merged, nothing, present
from .pooling import pooled
from .vector_store import COMMON, Ints, VectorStore, encode_again

KINDS = ("residual",)
FIXED = ("bits", "pool")
NAME = "plaid"
SCORINGS = ("plaid", "warp")
_POINTS = 8  # states a centroid that the codec is fitted on, at most
_PROBED = 32  # centroids that WARP probes for each state of a query
_IMPUTED_CLUSTERS = 128  # centroids that are looked at for an imputed score, at most


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """For each centroid c the texts with a state of it, ``members[starts[c]:starts[c+1]]`` (for WARP the states
    themselves), of the ``shards`` covered, each with a checksum; text n is row ``rows[n]`` of the collection and holds
    the states ``indptr[n]:indptr[n+1]``, whose centroids are ``codes``."""

    starts: Ints
    members: NDArray[Any]
    rows: Ints
    indptr: Ints
    codes: NDArray[Any]
    shards: dict[str, int]

    @classmethod
    def open(cls, store: VectorStore) -> Lists | None:
        """The lists in a store's folder; None if they were not built yet, or are of other shards. Raises InputError if
        they are damaged."""
        path, cure = store.folder / NAME, encode_again(store.folder)
        if not path.is_dir():
            return None
        for problem in array_problems(path, cure):
            raise problem.error()
        try:
            names = ("starts", "members", "rows", "indptr", "codes")
            starts, members, rows, indptr, codes = (np.load(path / f"{n}.npy", mmap_mode="r") for n in names)
            covers = json.loads((path / "covers.json").read_text("utf-8"))
            shards = dict(covers["shards"])
            lists = cls(np.asarray(starts), members, np.asarray(rows), np.asarray(indptr), codes, shards)
        except (ValueError, KeyError, TypeError, EOFError, OSError) as error:
            raise Problem(path, f"is damaged ({reason(error)})", cure).error() from error
        # A shard that was damaged is removed, and another may have its name.
        return lists if lists.shards.items() <= _sums(store).items() else None

    @classmethod
    def build(cls, store: VectorStore, scoring: str) -> Lists:
        """The lists of every present shard."""
        shards = [s.checked() for s in store.shards()]
        vectors = [cast(Residual, s.vectors) for s in shards]
        codes = np.concatenate([np.asarray(v.codes, dtype=np.uint32) for v in vectors])
        sizes = np.concatenate([np.diff(v.indptr) for v in vectors])
        text_of_state = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
        members = np.argsort(codes, kind="stable").astype(np.uint32)  # the states by their centroid
        sorted_codes = codes[members]
        if scoring == "plaid":
            texts = text_of_state[members]  # ascending within a centroid, so that the first of equal ones is told
            first = np.ones(len(texts), dtype=np.bool_)
            first[1:] = (texts[1:] != texts[:-1]) | (sorted_codes[1:] != sorted_codes[:-1])
            members, sorted_codes = texts[first], sorted_codes[first]
        clusters = len(store.common()["centroids"])
        with derived_folder(store.folder / NAME) as fresh:
            _save(fresh, "starts", np.searchsorted(sorted_codes, np.arange(clusters + 1)).astype(np.int64))
            _save(fresh, "members", members)
            _save(fresh, "rows", np.concatenate([s.rows for s in shards]))
            _save(fresh, "indptr", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
            _save(fresh, "codes", codes.astype(np.uint16 if clusters <= 1 << 16 else np.uint32))
            write_json(fresh / "covers.json", {"shards": _sums(store)})
        lists = cls.open(store)
        assert lists is not None
        return lists

    def of(self, centroids: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
        """The centroid of each list entry, as a position among ``centroids``, and the members of all their lists."""
        picked, bounds = spans(self.starts, centroids)
        return np.repeat(np.arange(len(centroids)), np.diff(bounds)), self.members[picked]


def _sums(store: VectorStore) -> dict[str, int]:
    """The shards of a store, oldest first, each with a checksum of what it holds. Raises InputError if one has none."""
    for shard in store.shards():
        if not (shard.folder / SUMS).exists():
            raise Problem(shard.folder / SUMS, "is missing", store.cure).error()
    return {s.name: file_checksum(s.folder / SUMS) for s in store.shards()}


def _save(folder: Path, name: str, array: NDArray[Any]) -> None:
    np.save(folder / f"{name}.npy", array)


@dataclass(frozen=True, slots=True)
class Effort:
    """How many centroids each state of a query probes, the least score of a centroid that counts in the first stage,
    and the number of texts after it."""

    cells: int
    threshold: float
    candidates: int

    @classmethod
    def of(cls, k: int, options: Mapping[str, Any]) -> Effort:
        """The defaults for k results, with ``options`` that override them.

        >>> Effort.of(10, {}), Effort.of(1000, {"cells": 8})
        (Effort(cells=1, threshold=0.5, candidates=256), Effort(cells=8, threshold=0.4, candidates=4096))
        >>> Effort.of(10, {"scoring": "warp"}).cells
        32
        """
        if k <= 10:
            default = cls(1, 0.5, 256)
        elif k <= 100:
            default = cls(2, 0.45, 1024)
        else:
            default = cls(4, 0.4, max(4 * k, 4096))
        if options.get("scoring") == "warp":
            default = replace(default, cells=_PROBED)
        return cls(*(options.get(name, getattr(default, name)) for name in ("cells", "threshold", "candidates")))


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    """One query: unit ``states`` [n, dim] with their ``weights`` [n], perhaps a ``mean`` [dim], and the product of
    every centroid with every state [clusters, n]."""

    states: Floats
    weights: Floats
    mean: Floats | None
    products: Floats

    @classmethod
    def of(cls, tokens: Tokens, codec: Codec) -> _Query:
        states = single(tokens.states)
        weights = np.ones(len(states), dtype=np.float32) if tokens.weights is None else single(tokens.weights)
        mean = None if tokens.means is None else single(tokens.means)[0]
        return cls(states, weights, mean, codec.centroids @ states.T)


@dataclass(slots=True, eq=False)
class Plaid(Nearest):
    """Compressed states searched in stages; shards that the lists don't cover yet are scanned. If too few texts of a
    search pass a filter, or are found by their centroids, all that pass are scored."""

    _lists: Lists | None = field(default=None, repr=False)

    @property
    def lists(self) -> Lists | None:
        """The lists, opened at the first search."""
        if self._lists is None:
            self._lists = Lists.open(self.vector_store)
        return self._lists

    @property
    def scoring(self) -> str:
        return str(self.vector_store.options.get("scoring", "plaid"))

    def update(self) -> None:
        """Lists built anew if shards were added since."""
        shards = self.vector_store.shards()
        if shards and (self.lists is None or self.lists.shards != _sums(self.vector_store)):
            self._lists = Lists.build(self.vector_store, self.scoring)

    def describe(self) -> dict[str, Any]:
        """Names and values for ``anyrank index info``."""
        lists, common = self.lists, self.vector_store.common()
        return {
            "covered": 0 if lists is None else int(present(np.sort(lists.rows), self.alive).sum()),
            "states": 0 if lists is None else len(lists.codes),
            "centroids": len(common["centroids"]) if common else 0,
            **self.vector_store.options,
        }

    def _best(self, queries: Vectors, k: int, mask: Mask) -> list[Best]:
        lists = self.lists
        if lists is None:
            return self._scan(queries, [nothing()] * len(queries), k, mask)
        passing = _passing(lists, mask, self._searched(lists))
        codec = Codec(*(self.vector_store.common()[n] for n in Residual.shared))
        effort = Effort.of(k, self.vector_store.options)
        best: list[Best | None] = []
        for q in range(len(queries)):
            query = _Query.of(cast(Tokens, queries.take([q])), codec)
            best.append(self._staged(query, queries.take([q]), k, passing, lists, codec, effort))
        short = [q for q, b in enumerate(best) if b is None]
        if short:
            others = frozenset(s.name for s in self.vector_store.shards()) - frozenset(lists.shards)
            exact = self._scan(queries.take(short), [nothing()] * len(short), k, mask, others)
            for q, result in zip(short, exact):
                best[q] = result
        return self._scan(queries, [b or nothing() for b in best], k, mask, frozenset(lists.shards))

    def _searched(self, lists: Lists) -> Mask:
        """Which texts of the lists have content."""
        shards = {s.name: s for s in self.vector_store.shards()}
        out = []
        for name in lists.shards:
            part = np.ones(len(shards[name]), dtype=np.bool_)
            if shards[name].searched is not None:
                part[:] = False
                part[shards[name].searched] = True
            out.append(part)
        return np.concatenate(out)

    def _staged(
        self, query: _Query, vectors: Vectors, k: int, passing: Mask, lists: Lists, codec: Codec, effort: Effort
    ) -> Best | None:
        """The k best texts that pass; None if a scan of all that do is needed."""
        count = int(np.count_nonzero(passing))
        if count < effort.candidates // 4:  # as many as the last stage scores
            texts = np.flatnonzero(passing)
            scores = self._exact(texts, vectors, lists)
        elif self.scoring == "warp":
            texts, scores = self._warp(query, k, passing, lists, codec, effort)
        else:
            texts = self._candidates(query, passing, lists, effort)
            scores = self._exact(texts, vectors, lists) if len(texts) >= min(k, count) else np.zeros(0, np.float32)
        if len(scores) < min(k, count):
            return None
        rows = lists.rows[texts]
        order = np.argsort(rows)
        return merged(nothing(), rows[order], scores[order], k)

    def _exact(self, texts: Ints, vectors: Vectors, lists: Lists) -> Floats:
        """The scores of texts by their reconstructed states."""
        return self.vector_store.near([int(r) for r in lists.rows[texts]], vectors)

    def _candidates(self, query: _Query, passing: Mask, lists: Lists, effort: Effort) -> Ints:
        """The texts whose states are worth reconstructing: a quarter of the candidates."""
        cells = np.unique(_largest(query.products, effort.cells))
        hit = np.zeros(len(passing), dtype=np.bool_)
        hit[lists.of(cells)[1]] = True
        texts = np.flatnonzero(hit & passing)
        counts = query.products.max(axis=1) >= effort.threshold  # centroids that count in the first stage
        for keep, among in (effort.candidates, counts), (max(effort.candidates // 4, 1), None):
            if len(texts) > keep:
                scores = _by_centroids(query, texts, lists, among)
                if query.mean is not None:
                    scores += self._means(texts, lists) @ query.mean
                texts = np.sort(texts[np.argpartition(-scores, keep - 1)[:keep]])
        return texts

    def _means(self, texts: Ints, lists: Lists) -> Floats:
        """The means of texts."""
        shards = {s.name: s for s in self.vector_store.shards()}
        out = np.empty((len(texts), self.vector_store.dim), dtype=np.float32)
        start = 0
        for name in lists.shards:
            stop = start + len(shards[name])
            here = slice(*np.searchsorted(texts, [start, stop]))
            means = cast(Residual, shards[name].vectors).means
            if means is not None and here.stop > here.start:
                out[here] = single(means[texts[here] - start])
            start = stop
        return out

    def _warp(
        self, query: _Query, k: int, passing: Mask, lists: Lists, codec: Codec, effort: Effort
    ) -> tuple[Ints, Floats]:
        """The texts found, and their scores with imputed parts."""
        n = len(query.states)
        probed = _largest(query.products, effort.cells)  # [cells, n]
        cells, inverse = np.unique(probed, return_inverse=True)
        wanted = np.zeros((len(cells), n), dtype=np.bool_)
        wanted[inverse.reshape(probed.shape), np.arange(n)[None]] = True
        where, states = lists.of(cells)
        texts_of_states = np.searchsorted(lists.indptr, states, side="right") - 1
        ok = passing[texts_of_states]
        where, states, texts_of_states = where[ok], states[ok], texts_of_states[ok]
        order = np.argsort(states, kind="stable")  # by text, and in the order of the shards' files
        where, states, texts_of_states = where[order], states[order].astype(np.int64), texts_of_states[order]
        # A state outside the lists probed is hardly nearer than the last of these, whatever the bound says: it is 0 for
        # collections of some ten thousand states.
        imputed = np.minimum(_imputed(query.products, lists, k), query.products[probed[-1], np.arange(n)])
        if not len(states):
            return states, np.zeros(0, dtype=np.float32)
        # The score of a state: that of its centroid, and the remainder's straight from the buckets.
        scores = self._remainders(states, lists, codec) @ query.states.T + query.products[cells[where]]
        scores[~wanted[where]] = -np.inf
        texts, first = np.unique(texts_of_states, return_index=True)
        best = maxima(scores.T, np.append(first, len(states)))  # [n, texts]
        best = np.where(np.isfinite(best), best, imputed[:, None])
        total = query.weights @ best
        if query.mean is not None:
            total += self._means(texts, lists) @ query.mean
        return texts, total.astype(np.float32)

    def _remainders(self, states: Ints, lists: Lists, codec: Codec) -> Floats:
        """What the buckets of ascending states stand for."""
        shards = {s.name: s for s in self.vector_store.shards()}
        parts, start = [], 0
        for name in lists.shards:
            vectors = cast(Residual, shards[name].checked().vectors)
            stop = start + len(vectors.codes)
            here = states[slice(*np.searchsorted(states, [start, stop]))]
            parts.append(codec.remainders(vectors.residuals[here - start]))
            start = stop
        return np.concatenate(parts)


def _passing(lists: Lists, mask: Mask, searched: Mask) -> Mask:
    """For each text of the lists whether its row passes and it has content."""
    known = np.minimum(lists.rows, len(mask) - 1)
    return np.asarray(mask[known] & (lists.rows < len(mask)) & searched) if len(mask) else np.zeros_like(searched)


def _largest(products: Floats, cells: int) -> Ints:
    """The centroids nearest to each state of a query: [cells, n], best first."""
    cells = min(cells, len(products))
    part = np.argpartition(-products, cells - 1, axis=0)[:cells]
    order = np.argsort(-np.take_along_axis(products, part, axis=0), axis=0, kind="stable")
    return np.asarray(np.take_along_axis(part, order, axis=0), dtype=np.int64)


def _by_centroids(query: _Query, texts: Ints, lists: Lists, counts: Mask | None) -> Floats:
    """The scores of texts whose states are taken as their centroids; with ``counts`` by those centroids alone."""
    picked, indptr = spans(lists.indptr, texts)
    codes = np.asarray(lists.codes[picked])
    if counts is not None:
        ok = counts[codes]
        indptr = np.concatenate([[0], np.cumsum(ok)])[indptr]
        codes = codes[ok]
    return np.asarray(query.weights @ maxima(np.ascontiguousarray(query.products.T)[:, codes], indptr))


def _imputed(products: Floats, lists: Lists, k: int) -> Floats:
    """For each state of a query the score that a text without a probed state gets: that of the first centroid, best
    first, at which the centroids so far hold a number of states that grows with the collection."""
    states, clusters = len(lists.codes), len(products)
    bound = 50_000 if k <= 100 else 100_000
    if clusters <= 1 << 16:
        bound = int(np.sqrt(8 * states)) // 1000 * 1000
    order = _largest(products, _IMPUTED_CLUSTERS)
    sizes = np.diff(lists.starts)[order].cumsum(axis=0)  # [clusters looked at, n]
    at = np.minimum((sizes < bound).sum(axis=0), len(order) - 1)
    columns = np.arange(products.shape[1])
    return np.asarray(products[order[at, columns], columns])


def checked_options(options: Mapping[str, Any], dim: int) -> dict[str, Any]:
    """``bits`` a dimension (1, 2, 4 or 8), ``pool`` (so many states become one before), ``scoring`` ("plaid" or
    "warp"), and an effort other than the default of k: ``cells``, ``threshold``, ``candidates``. Raises InputError on
    an unknown or a wrong one."""
    known = ("bits", "pool", "scoring", "cells", "threshold", "candidates")
    if set(options) - set(known):
        raise no_option(NAME, set(options) - set(known), known)
    out = {"bits": options.get("bits", 2), "pool": whole_number("pool", options.get("pool", 1))}
    if out["bits"] not in BITS:
        raise InputError(f"bits={out['bits']!r}: choose {', '.join(map(str, BITS))}")
    out["scoring"] = options.get("scoring", "plaid")
    if out["scoring"] not in SCORINGS:
        raise InputError(f"scoring={out['scoring']!r}: choose {' or '.join(SCORINGS)}")
    out |= {name: whole_number(name, options[name]) for name in ("cells", "candidates") if name in options}
    if "threshold" in options:
        try:
            out["threshold"] = float(options["threshold"])
        except (TypeError, ValueError) as error:
            raise InputError(f"threshold={options['threshold']!r}: expected a number") from error
    return out


def sample(documents: int) -> int:
    """Documents that the codec is fitted on."""
    return sample_size(documents)


def prepared(vectors: Vectors, options: Mapping[str, Any], common: Mapping[str, Any], documents: int) -> Vectors:
    """States pooled and compressed, by the codec of the present shards or, before the first, one fitted on these.
    Raises InputError on vectors of another kind."""
    options = checked_options(options, vectors.dim)
    tokens = pooled(vectors, options["pool"])
    if not isinstance(tokens, Tokens):
        raise InputError(
            f"the index {NAME!r} compresses states of tokens (late interaction), not {vectors.kind} vectors"
        )
    if common:
        return Residual.of(tokens, Codec(*(common[name] for name in Residual.shared)))
    states = single(tokens.states)
    clusters = centroid_count(documents, len(states) / max(len(tokens), 1))
    chosen = np.random.default_rng(0).permutation(len(states))[: max(_POINTS * clusters, 1)]
    states = states[np.sort(chosen)]
    return Residual.of(tokens, Codec.fit(states, clusters, options["bits"]))


def options_of(folder: Path) -> dict[str, Any]:
    """The bits of the codec that is there: its weights are two to the power of them."""
    try:
        return {"bits": int(np.load(folder / COMMON / "weights.npy").shape[-1]).bit_length() - 1}
    except (OSError, ValueError, EOFError, IndexError):
        return {}


def open_index(vectors: VectorStore, store: Store) -> Plaid:
    """The index over compressed states."""
    return Plaid(vectors, store)
