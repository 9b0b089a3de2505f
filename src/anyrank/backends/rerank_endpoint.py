"""A server's ``/rerank`` endpoint as a judge: hosted rerankers (Cohere, Jina, Voyage, Mixedbread, Pinecone) and servers
of one's own (Text Embeddings Inference, vLLM, Infinity and others with the same form)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from ..core.content import is_blank, required_text
from ..core.errors import InputError, ModelError
from ..core.limits import seconds_left
from ..core.rerank import Group
from ..core.trace import UNREACHABLE, Usage
from ..core.types import Judgement
from .addresses import checked_url, read_address, read_settings
from .http import NoAnswer, Patience, Server, ask_all
from .keys import read_key
from .refusals import MOST, Learned
from .rerank_answers import Request, Scores, read_answer


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor's endpoint differs: its ``paths`` (tried in turn while the server knows none), the address and the
    keys' environment variables of the ``hosted`` service, the names of the fields that hold the ``documents`` (as
    texts, or as ``records`` with an id) and the ``count`` of results, ``other`` fields, and the ``most`` documents a
    request."""

    paths: tuple[str, ...] = ("/v1/rerank", "/rerank", "/v2/rerank")
    hosted: str = ""
    keys: tuple[str, ...] = ()
    documents: str = "documents"
    records: bool = False
    count: str = "top_n"
    other: Mapping[str, Any] = field(default_factory=dict)
    key_header: str = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict)
    most: int = 1000


DIALECTS = {
    "cohere": Dialect(("/v2/rerank",), "https://api.cohere.com", ("COHERE_API_KEY", "CO_API_KEY")),
    "jina": Dialect(
        ("/v1/rerank",), "https://api.jina.ai", ("JINA_API_KEY", "JINAAI_API_KEY"), other={"return_documents": False}
    ),
    "voyage": Dialect(
        ("/v1/rerank",), "https://api.voyageai.com", ("VOYAGE_API_KEY",), count="top_k", other={"truncation": True}
    ),
    "mixedbread": Dialect(
        ("/v1/reranking",), "https://api.mixedbread.com", ("MXBAI_API_KEY", "MIXEDBREAD_API_KEY"), "input",
        count="top_k", other={"return_input": False}
    ),
    "pinecone": Dialect(
        ("/rerank",), "https://api.pinecone.io", ("PINECONE_API_KEY",), records=True, key_header="Api-Key", most=100,
        other={"return_documents": False, "rank_fields": ["text"]}, headers={"X-Pinecone-API-Version": "2024-10"}
    ),
    "tei": Dialect(("/rerank",), documents="texts", count="", other={"raw_scores": False}, most=32),
    "vllm": Dialect(),
    "infinity": Dialect(("/rerank", "/v1/rerank"), other={"return_documents": False, "raw_scores": False}),
    "rerank": Dialect(),
}  # fmt: skip
"""The dialects by the prefix of a model's name; "rerank" is for any server, and learns TEI's form from its errors."""

_REFUSED = (401, 402, 403, 404)
_DOCUMENTS = ("documents", "texts", "input")
_TOO_MANY = re.compile(
    r"batch|too many|number of|(?:documents|texts|items|passages)\b.{0,40}(?:limit|exceed|most|max|than)"
    r"|(?:limit|exceed|most|max\w*|than).{0,40}(?:documents|texts|items|passages)\b",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(r"tokens?\b|too long|length|truncat", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,6}(?![\w-]|\.\d)")


@dataclass(frozen=True)
class RerankEndpoint:
    """A judge: the scores that a server's reranking endpoint gives to a query's documents.

    ``base_url`` is the server's address, with or without the endpoint's path; empty for the hosted service of the
    ``dialect``, whose key is read from the environment. ``key_env`` and ``key_file`` name another source of the key; it
    is read at each call and shown nowhere. ``batch``: documents a request (fewer if the server refuses that many).
    ``patience`` bounds each request, ``deadline`` seconds the whole of a call. ``extra``: fields put into each request,
    or left out where the value is None.

    All documents of a query go into one request if they fit, whatever the grouping, as such servers score each
    document alone. Empty texts are not sent and come last. A document without a finite score in the answer gets
    NaN; an index that is repeated or out of range is ignored and counted as a repair. A request counts as one call,
    also one that the server refuses, however often it is tried when the server is busy; tokens are the server's if
    it states any that can be, else estimated and noted, and billed units are noted.

    Errors: ModelError if the server refuses all requests and never answered; InputError for a key that isn't there.
    """

    model: str
    base_url: str = ""
    dialect: str = "rerank"
    key_env: str = ""
    key_file: str = ""
    patience: Patience = Patience()
    deadline: float = 600.0
    concurrency: int = 8
    batch: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    _form: Learned = field(default_factory=Learned, init=False, repr=False, compare=False)
    _learned: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the server taught: its "path", the name of its "documents", the "most" of a request, and that it "answers"
    at all."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise InputError(f"dialect {self.dialect!r}: there are {', '.join(DIALECTS)}")
        if self.base_url:
            checked_url(self.base_url)
        elif not self._dialect.hosted:
            raise InputError(f"{self.dialect}: needs the address of a server: {self.dialect}:MODEL@http://HOST:PORT")

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.dialect]

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = list(self._requests(groups))
        results = self._send(requests)
        scores = [[-math.inf] * len(members) for _, members in groups]  # an empty text stays there
        usages, notes = [Usage()] * len(groups), [dict[str, None]() for _ in groups]
        for request, result in zip(requests, results):
            for (g, m), value in zip(request.members, result.values):
                scores[g][m] = value
            owners = dict.fromkeys(g for g, _ in request.members)
            first = next(iter(owners))
            usages[first] = usages[first] + result.usage
            for g in owners:
                notes[g] |= dict.fromkeys(result.notes)
        for g, (_, members) in enumerate(groups):
            if any(s == -math.inf for s in scores[g]):
                notes[g]["an empty text was not sent, and comes last"] = None
            if members and all(map(math.isnan, scores[g])) and not usages[g].repairs.get("no answer"):
                usages[g] += Usage(repairs={"no answer": 1})
        return [Judgement(s, u, "; ".join(n)) for s, u, n in zip(scores, usages, notes)]

    def _requests(self, groups: Sequence[Group]) -> Iterator[Request]:
        """The documents of all groups of one query, in parts of as many as a request may hold."""
        most = min(self.batch or self._dialect.most, self._learned.get("most", math.inf))
        rows = []
        for g, (query, members) in enumerate(groups):
            question = required_text(query.content, f"query {query.id!r}")
            for m, candidate in enumerate(members):
                text = required_text(candidate.content, f"candidate {candidate.id!r}")
                if not is_blank(text):
                    rows.append((question, text, (g, m)))
        for question, run in groupby(rows, key=lambda row: row[0]):
            own = list(run)
            parts = math.ceil(len(own) / most)
            for i in range(parts):
                part = own[i * len(own) // parts : (i + 1) * len(own) // parts]
                yield Request(question, [text for _, text, _ in part], [member for *_, member in part])

    def _send(self, requests: Sequence[Request]) -> list[Scores]:
        if not requests:
            return []
        dialect = self._dialect
        results = ask_all(
            self._scores,
            requests,
            key=self._key(),
            patience=self.patience,
            seconds=min(self.deadline, seconds_left()),
            concurrency=self.concurrency,
            key_header=dialect.key_header,
            headers=dialect.headers,
        )
        if "answers" not in self._learned and all(r.status in _REFUSED for r in results):
            name = f"{self.dialect}:{self.model} at {self.base_url or dialect.hosted}"
            raise ModelError(f"{name}: the server refuses ({results[0].notes[0]})")
        return results

    def _key(self) -> str:
        own = [self.key_env] if self.key_env else []
        if not self.base_url and not own and not self.key_file:
            own = list(self._dialect.keys)
        return read_key(own, self.key_file)

    async def _scores(self, request: Request, server: Server) -> Scores:
        """The scores of a request's documents. One that holds too much for the server is asked in parts."""
        try:
            scores = await self._ask(request, server)
        except NoAnswer as error:
            n = len(request.texts)
            most = _fewer(error, n)
            if not most:
                calls = 1 + error.refused
                usage = Usage(calls=calls, repairs={"no answer": 1} | ({UNREACHABLE: 1} if error.unreachable else {}))
                return Scores([math.nan] * n, usage, (str(error),), error.status)
            if error.status == 413 or _TOO_MANY.search(error.message):
                self._learned["most"] = min(most, self._learned.get("most", most))
            parts: list[Scores] = []
            for i in range(0, n, most):
                parts.append(await self._scores(Request(request.query, request.texts[i : i + most], []), server))
                if "answers" not in self._learned and parts[-1].status:
                    break  # a server that refuses even one document is not asked about each
            notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
            values = [value for part in parts for value in part.values]
            values += [math.nan] * (n - len(values))
            usage = sum((part.usage for part in parts), Usage(calls=1 + error.refused))  # the refusal was a call too
            return Scores(values, usage, notes, max(p.status for p in parts))
        self._learned["answers"] = True
        return scores

    async def _ask(self, request: Request, server: Server) -> Scores:
        """One request. If the server refuses its form, it is asked again in one that it takes; each time is a call.
        Raises NoAnswer."""
        form, truncate = self._form.form, False
        first: NoAnswer | None = None  # the refusal of the likeliest path, which may be of the model
        paths = [self._learned["path"]] if "path" in self._learned else self._addresses()
        documents = self._learned.get("documents", self._dialect.documents)
        for last in range(MOST, 0, -1):
            body = self._body(request, documents, truncate)
            sent, changes = form.apply(body)
            try:
                value = await server.ask(paths[0], sent)
                break
            except NoAnswer as error:
                error.refused = MOST - last
                if error.status in (404, 405) and len(paths) > 1:
                    first, paths = first or error, paths[1:]
                elif last == 1:
                    raise
                elif other := self._other_documents(error, documents):
                    documents = other
                elif _needs_cutting(error) and documents == "texts" and not truncate:
                    truncate = True
                elif _fewer(error, len(request.texts)) and not error.fields:
                    raise
                elif (better := form.after(error, body, ("query", "model", documents))) and better != form:
                    form = better
                elif error.status in (404, 405):
                    cause = first if first is not None and "model" in first.message.lower() else error
                    text = f"{cause} (POST {urlsplit(paths[0]).path})"
                    raise NoAnswer(text, status=cause.status, message=cause.message, refused=error.refused) from None
                else:
                    raise
        self._form.learn(form)
        self._learned.update(path=paths[0], documents=documents)
        notes = [f"sent {', '.join(changes)}: the server refuses it"] if changes else []
        more = Usage(calls=MOST - last, truncated=int(truncate))
        if truncate:
            notes.append("the server cut texts to its model's length")
        try:
            scores = read_answer(value, request, len(json.dumps(sent)))
        except NoAnswer as error:
            error.refused = MOST - last
            raise
        return scores._replace(usage=scores.usage + more, notes=(*notes, *scores.notes))

    def _addresses(self) -> list[str]:
        """The addresses at which the endpoint may be, the likeliest first."""
        url = urlsplit(self.base_url or self._dialect.hosted)
        base = url.path.rstrip("/")
        if re.search(r"/(?:re-?rank(?:ing|ings)?|score)$", base):
            return [url._replace(path=base).geturl()]
        paths = [base + path for path in self._dialect.paths]
        if re.search(r"/v\d+$", base):  # the version is there already
            paths = [base + "/" + self._dialect.paths[0].rpartition("/")[2], *paths]
        return [url._replace(path=path).geturl() for path in dict.fromkeys(paths)]

    def _body(self, request: Request, documents: str, truncate: bool) -> dict[str, Any]:
        dialect = self._dialect
        texts: list[Any] = request.texts
        if dialect.records:
            texts = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
        body: dict[str, Any] = {"model": self.model or None, "query": request.query, documents: texts}
        if dialect.count and documents != "texts":
            body[dialect.count] = len(texts)
        if truncate:
            body["truncate"] = True
        return {name: v for name, v in {**body, **dialect.other, **self.extra}.items() if v is not None}

    def _other_documents(self, error: NoAnswer, documents: str) -> str:
        """The name that a server of unknown dialect misses for the documents; empty if it misses none."""
        if self.dialect != "rerank" or error.status not in (400, 422):
            return ""
        missing = re.search(r"missing|required|expected|must (?:have|contain|include)", error.message, re.IGNORECASE)
        words = {*error.fields, *re.findall(r"\w+", error.message)} if missing or error.fields else set()
        return next((name for name in _DOCUMENTS if name != documents and name in words), "")


def _needs_cutting(error: NoAnswer) -> bool:
    refused = error.status in (400, 413, 422)
    return refused and bool(_TOO_LONG.search(error.message)) and not _TOO_MANY.search(error.message)


def _fewer(error: NoAnswer, n: int) -> int:
    """How many of ``n`` documents to send after a server refused so many, or one of them as too long: the largest
    smaller number that its error names, else half; 0 if the error is of something else, or there is but one."""
    too_many = error.status == 413 or (error.status in (400, 422) and bool(_TOO_MANY.search(error.message)))
    if n < 2 or not (too_many or _needs_cutting(error)):
        return 0
    numbers = map(int, _NUMBER.findall(error.message)) if _TOO_MANY.search(error.message) else ()
    return max((k for k in numbers if 0 < k < n), default=n // 2)


_OWN = {"key_env": str, "key_file": str, "deadline": float, "concurrency": int, "batch": int}
_FIELDS = (
    "max_tokens_per_doc", "priority", "truncation", "truncate", "truncation_direction", "truncation_side", "raw_scores",
    "truncate_prompt_tokens", "use_activation", "user", "rank_fields", "instruction", "parameters",
    "max_chunks_per_doc",
)  # fmt: skip
"""Fields of a request that are settings by their own names."""


def open_address(prefix: str, address: str) -> RerankEndpoint:
    """The judge of an address "MODEL@URL#SETTINGS" after a dialect's prefix. Without "@URL" it is the hosted service; a
    URL alone needs no model. Settings are the fields of `RerankEndpoint` and `Patience`, and fields of the request.
    Raises InputError for unknown settings.

    >>> open_address("tei", "http://127.0.0.1:8080#raw_scores=true").base_url
    'http://127.0.0.1:8080'
    """
    if address.startswith(("http://", "https://")):
        address = f"@{address}"
    owner = f"{prefix}:{address.partition('#')[0]}"
    model, url, settings = read_address(address, f"{prefix}:")
    if not model and not url:
        raise InputError(f"{prefix}: names no model")
    if not model and not url.startswith(("http://", "https://")):
        raise InputError(f"{owner}: an address begins with http:// or https://")
    if not model and DIALECTS[prefix].hosted:
        raise InputError(f"{owner}: names no model: {prefix}:MODEL@URL")
    others = f", {', '.join(_FIELDS)}; any other field of the request is sent by extra.NAME=VALUE"
    return RerankEndpoint(model, url, prefix, **read_settings(settings, _OWN, _FIELDS, owner, others))
