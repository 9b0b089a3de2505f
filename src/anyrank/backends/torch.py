"""Runs the models of `anyrank.models`: encoders (`TorchEncoder`) and judges (`TorchJudge`), opened by their folder.

Texts are sorted by length and run in batches bounded by tokens, without gradients, in single precision by default;
neither padding nor the rest of a batch changes a score (1e-5). ``dtype`` "bfloat16", "float16" or "auto" computes
in half precision, scores and heads excepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.content import Image, parts_of, text_of
from ..core.errors import InputError, ModelError
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Candidate, Judgement
from ..hub.folder import Declared
from ..vectors import Dense, Encoded, Sparse, Tokens, Vectors, join
from .hf.load import device_of, dtype_of, torch_module

SLICE = 2048
"""Texts that are tokenised at once."""


@runtime_checkable
class Embeds(Protocol):
    """A model that reads texts alone: into chunks of tokens, and these into one vector a text."""

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]: ...

    def embed(self, chunks: Sequence[Mapping[str, Any]]) -> Any: ...


@runtime_checkable
class EmbedsDocuments(Protocol):
    """A model that reads documents in a way of their own, perhaps by another encoder."""

    def embed_documents(self, chunks: Sequence[Mapping[str, Any]]) -> Any: ...


@runtime_checkable
class Attends(Protocol):
    """A model that reads texts alone, into one vector for each of their tokens: `states` gives of a chunk the vectors
    [texts, tokens, dim] and which of them count; ``similarity`` is "maxsim" or "meanmaxsim"."""

    similarity: str

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]: ...

    def states(self, chunk: Mapping[str, Any]) -> tuple[Any, Any]: ...


@runtime_checkable
class MakesVectors(Protocol):
    """A model that reads texts alone and makes their vectors, of any kind, of a chunk of tokens."""

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]: ...

    def vectors(self, chunk: Mapping[str, Any], *, query: bool = False) -> Vectors: ...


@runtime_checkable
class ReadsText(Protocol):
    """A model of texts: it has a tokenizer."""

    tokenizer: Any


def open_folder(
    declared: Declared,
    *,
    max_length: int | None = None,
    device: str = "",
    dtype: str = "float32",
    threads: int | None = None,
    **options: Any,
) -> TorchEncoder | TorchJudge | TorchLateInteraction | Any:
    """The encoder or judge (late interaction is both) of a folder with safetensors, of the kind that it declares; of a
    generative retriever its `models.generative.base.Trained`.

    ``max_length`` cuts texts shorter than the model does; ``device`` "" is the first GPU, else the CPU; ``options`` go
    to the model's class (a sparse model also takes ``terms`` and ``threshold``).
    Raises MissingExtra without torch, ModelError if the folder can't be read, InputError on options that don't fit.
    """
    torch = torch_module()
    from safetensors import SafetensorError

    from ..models import model_class

    if declared.kind == "generative":
        from ..models.generative.folder import load

        trained = load(Path(declared.folder), declared.name)
        trained.memory.to(torch.device(device_of(device)))
        return trained
    folder, limits = Path(declared.folder), {k: options.pop(k) for k in ("terms", "threshold") if k in options}
    if limits and declared.kind != "sparse":
        raise InputError(f"a {declared.kind} model takes no {', '.join(limits)}")
    if max_length is not None and max_length < 3:
        raise InputError(f"max_length={max_length}: at least 3 tokens")
    if threads:
        torch.set_num_threads(threads)
    longest = min(max_length, declared.max_length) if max_length else None
    try:
        if declared.base:
            from ..models.parts.adapter_folder import open_adapted

            model = open_adapted(folder, declared.kind, longest, **options)
        else:
            options = _options(declared) | options
            model = model_class(declared.kind).from_folder(folder, max_length=longest, **options)
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise ModelError(f"{folder}: can't be loaded: {' '.join(str(error).split())[:500]}") from error
    except TypeError as error:
        raise InputError(f"a {declared.kind} model of {folder}: {error}") from error
    reads_text = isinstance(model, ReadsText)
    if not reads_text:
        raise ModelError(f"{declared.described}, and no model of texts")
    target = device_of(device)
    model = model.eval().requires_grad_(False).to(torch.device(target))
    run = Runner(model, target, dtype_of(dtype, target))
    if declared.kind == "late" and isinstance(model, MakesVectors):
        encoder = TorchEncoder(declared.name, run)
        return TorchLateInteraction(declared.name, encoder, TorchJudge(declared.name, run, declared.activation))
    if isinstance(model, Embeds | Attends | MakesVectors):
        return TorchEncoder(declared.name, run, sparse=declared.kind == "sparse", **limits)
    return TorchJudge(declared.name, run, declared.activation)


def _options(declared: Declared) -> dict[str, Any]:
    """The options of an encoder that anyrank.json or the registry declares, beyond its folder's own files."""
    if declared.kind not in ("dense", "sparse"):
        return {}
    prefixes = {"query_prefix": declared.query_prefix, "document_prefix": declared.document_prefix}
    options = {name: text for name, text in prefixes.items() if text}
    if declared.kind == "dense":
        options |= {"pooling": declared.pooling} if declared.pooling != "none" else {}
        options |= {"similarity": "cosine"} if declared.normalise else {}
    return options


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """A model on a device, computing in a dtype."""

    model: Any
    device: str = "cpu"
    dtype: Any = None

    def computing(self) -> AbstractContextManager[Any]:
        """A block without gradients, in the dtype."""
        torch, stack = torch_module(), ExitStack()
        stack.enter_context(torch.inference_mode())
        half = self.dtype is not None and self.dtype != torch.float32
        stack.enter_context(torch.autocast(self.device.partition(":")[0], self.dtype if half else None, enabled=half))
        return stack

    def moved(self, value: Any) -> Any:
        """Nested dicts and lists of tensors on the device."""
        if isinstance(value, Mapping):
            return {k: self.moved(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.moved(v) for v in value]
        return value.to(self.device) if isinstance(value, torch_module().Tensor) else value


@dataclass(frozen=True, slots=True, eq=False)
class TorchEncoder:
    """An encoder: dense float32 [n, width], sparse rows, one matrix a text, or what the model makes. Repeated texts run
    once.

    Of sparse vectors only the ``terms`` heaviest weights of each text stay, if given, and weights at or below
    ``threshold`` are dropped. Raises InputError if a content has no text.
    """

    name: str
    run: Runner
    sparse: bool = False
    terms: int | None = None
    threshold: float = 0.0

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        texts = [_text(content, f"content {i}") for i, content in enumerate(contents)]
        order = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        distinct = list(order)
        usage, parts, positions = Usage(), [], []
        for part in _slices(distinct or [""]):
            cuts: list[int | None] = []
            for rows, vectors, tokens, cut in self._chunks(part, query):
                usage += Usage(len(rows), tokens)
                parts.append(vectors)
                positions.append(rows)
                cuts.append(cut)
            counted = None not in cuts
            usage += Usage(truncated=sum(c or 0 for c in cuts) if counted else self._truncated(part, query))
        if not texts:
            usage = Usage()
        back = np.argsort(np.concatenate(positions))  # from a distinct text to its row in the joined parts
        taken = [int(back[order[text]]) for text in texts]
        return Encoded(join(parts).take(taken), usage + Usage(cached=len(texts) - len(distinct)))

    def _chunks(
        self, part: Mapping[int, str], query: bool
    ) -> Iterator[tuple[NDArray[np.int64], Vectors, int, int | None]]:
        """(positions, vectors, real tokens, texts that lost tokens) of each chunk of some texts; the last is None where
        the chunk doesn't say."""
        torch, model = torch_module(), self.run.model
        positions = np.fromiter(part, np.int64, len(part))
        for chunk in model.inputs(list(part.values()), query=query):
            rows, tokens = chunk["rows"].numpy(), int(chunk["attention_mask"].sum())
            alone = self.run.moved({**chunk, "rows": torch.arange(len(rows))})  # in the chunk's own order
            with self.run.computing():
                if isinstance(model, MakesVectors):
                    vectors = model.vectors(alone, query=query)
                else:
                    read = self._tokens if isinstance(model, Attends) else self._pooled
                    vectors = read(alone, query)
            yield positions[rows], vectors, tokens, int(chunk["cut"].sum()) if "cut" in chunk else None

    def _pooled(self, chunk: Mapping[str, Any], query: bool) -> Vectors:
        model = self.run.model
        embed = model.embed_documents if isinstance(model, EmbedsDocuments) and not query else model.embed
        values = embed([chunk]).float().cpu().numpy()
        return Sparse.from_weights(values, self.threshold, self.terms) if self.sparse else Dense(values)

    def _tokens(self, chunk: Mapping[str, Any], query: bool) -> Tokens:
        """One matrix a text; with weights if a query's tokens count by their number."""
        states, counted = self.run.model.states(chunk)
        rows = [text[real].float().cpu().numpy() for text, real in zip(states, counted)]
        if query and self.run.model.similarity == "meanmaxsim":
            return Tokens.of(rows, [np.full(len(r), 1 / max(len(r), 1), np.float32) for r in rows])
        return Tokens.of(rows)

    def _truncated(self, part: Mapping[int, str], query: bool) -> int:
        """The number of texts that lose tokens."""
        if query:
            return int(sum(self.run.model.truncated(list(part.values()), [[] for _ in part])))
        return int(self.run.model.truncated([""], [[Candidate(str(i), text) for i, text in part.items()]])[0])


@dataclass(frozen=True, slots=True, eq=False)
class TorchJudge:
    """A judge: the scores that a model gives the candidates of each group, with a sigmoid if ``activation`` says so.

    A call is counted for every candidate, and for every query that is encoded separately. Raises InputError if a query
    or a candidate has no text (models of texts).
    """

    name: str
    run: Runner
    activation: str = "none"

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if isinstance(self.run.model, ReadsText):
            for query, members in groups:
                _text(query.content, f"query {query.id!r}")
                for member in members:
                    _text(member.content, f"candidate {member.id!r} of query {query.id!r}")
        judgements: list[Judgement] = [Judgement([], Usage()) for _ in groups]
        todo = [i for i, (_, members) in enumerate(groups) if members]
        for part in _bounded(todo, [len(groups[i][1]) for i in todo]):
            for i, judgement in zip(part, self._judged([groups[i] for i in part])):
                judgements[i] = judgement
        return judgements

    def _judged(self, groups: Sequence[Group]) -> Iterator[Judgement]:
        model = self.run.model
        queries, candidates = [q.content for q, _ in groups], [list(members) for _, members in groups]
        features = model.features(queries, candidates)
        with self.run.computing():
            values = model(**self.run.moved(features)).double().cpu().numpy()
        if self.activation == "sigmoid":
            values = 1 / (1 + np.exp(-values))
        sizes = [len(members) for members in candidates]
        tokens, cuts = _tokens(features, sizes), _cut(features, sizes) or model.truncated(queries, candidates)
        for row, members, count, cut in zip(values, candidates, tokens, cuts):
            calls = len(members) + ("queries" in features)
            yield Judgement(row[: len(members)].tolist(), Usage(calls, int(count), truncated=cut))


@dataclass(frozen=True, slots=True, eq=False)
class TorchLateInteraction:
    """Late interaction as a judge, and as an encoder whose vectors give the same scores, so that texts can be
    stored."""

    name: str
    encoder: TorchEncoder
    judge: TorchJudge

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        return self.encoder.encode(contents, query=query)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return self.judge(groups)


def _text(content: Any, what: str) -> str:
    """The text of a content. Raises InputError if it has none, or holds an image."""
    if content is None:
        raise InputError(f"{what} has no text to score: load the texts first")
    if isinstance(content, bytes) or any(isinstance(part, Image) for part in parts_of(content)):
        raise InputError(f"{what} holds {type(content).__name__} that is not text: this model reads text only")
    return text_of(content)


def _slices(texts: Sequence[str]) -> Iterator[dict[int, str]]:
    """Positions and texts that are tokenised at once."""
    for start in range(0, len(texts), SLICE):
        yield dict(enumerate(texts[start : start + SLICE], start))


def _bounded(items: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Items in their order, in parts whose sizes add up to at most SLICE, or of one item.

    >>> list(_bounded([7, 8, 9], [1500, 600, 100]))
    [[7], [8, 9]]
    """
    part: list[int] = []
    total = 0
    for item, size in zip(items, sizes):
        if part and total + size > SLICE:
            yield part
            part, total = [], 0
        part.append(item)
        total += size
    if part:
        yield part


def _tokens(features: Mapping[str, Any], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Real tokens that each group reads: those of its texts, and of its query if that is encoded separately. 0 for
    models whose inputs aren't texts."""
    total = np.zeros(len(sizes), np.int64)
    for owner, chunk in _owned(features, sizes):
        real = chunk["attention_mask"] if "attention_mask" in chunk else chunk["real"]
        np.add.at(total, owner, real.sum(1).numpy())
    return total


def _cut(features: Mapping[str, Any], sizes: Sequence[int]) -> list[int] | None:
    """Texts of each group, its query counted in, that lost tokens; None where the inputs don't say."""
    total, owned = np.zeros(len(sizes), np.int64), list(_owned(features, sizes))
    if not owned or any("cut" not in chunk for _, chunk in owned):
        return None
    for owner, chunk in owned:
        np.add.at(total, owner, chunk["cut"].numpy())
    counts: list[int] = total.tolist()
    return counts


def _owned(features: Mapping[str, Any], sizes: Sequence[int]) -> Iterator[tuple[NDArray[np.int64], Mapping[str, Any]]]:
    """The chunks of texts and of queries, each after the groups to which its rows belong."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    if "counts" in features:  # a text's passages are rows of their own
        owner = np.repeat(owner, features["counts"].numpy())
    for chunk in features.get("chunks", ()):
        yield owner[chunk["rows"].numpy()], chunk
    queries = features.get("queries", ())
    for chunk in [queries] if isinstance(queries, Mapping) else queries:
        yield chunk["rows"].numpy() if "rows" in chunk else np.arange(len(sizes)), chunk
