"""Search by a server with DeepResearchGym's interface (arXiv 2505.19253): ``GET ?query=…&k=…`` answers with documents
as base64 of JSON, in ClueWeb22's or FineWeb's fields. ``anyrank serve`` has the same interface."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..backends.addresses import checked_url
from ..backends.http import NoAnswer, Patience, Server, ask_all
from ..backends.keys import read_key
from ..core.content import is_blank, required_text
from ..core.errors import InputError, ModelError
from ..core.limits import seconds_left
from ..core.stage import Limited
from ..core.trace import UNREACHABLE, Step, Usage
from ..core.types import Candidate, Ranking
from . import rewritten

_REFUSED = (401, 403, 404)
_TEXT, _ID = ("Clean-Text", "text"), ("ClueWeb22-ID", "id", "URL", "url")


@dataclass(frozen=True)
class GymSearch(Limited):
    """The ``k`` best documents of a server, for each query's text; they replace the candidates that came in.

    ``url`` is the search's whole address (``https://HOST/search``, ``https://HOST/fineweb/search``); an address without
    a path means ``/search``. The key is read from the environment variable ``key_env``, and sent as ``x-api-key``. The
    interface has no scores: a document's score is the number of those at its rank or below. What has no text or a
    repeated id is left out and counted as a repair. A query whose request fails keeps the candidates that came in, and
    its step says why. Raises ModelError if the server refuses all requests (a wrong key or address)."""

    url: str
    k: int = 10
    key_env: str = ""
    patience: Patience = Patience()
    concurrency: int = 8

    def __post_init__(self) -> None:
        if not self.k >= 1:
            raise InputError(f"k={self.k}: expected at least 1")
        parts = urlsplit(checked_url(self.url))
        if parts.query or parts.fragment:
            raise InputError(f"url {self.url!r}: give it without a query or fragment")

    def limit(self, k: int) -> GymSearch:
        return replace(self, k=min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return rewritten.run(rankings, self._batch)

    def _batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        if not rankings:
            return []
        start = time.perf_counter()
        texts = [required_text(rewritten.searched(r.query), f"query {r.query.id!r}") for r in rankings]
        answers = ask_all(
            self._documents,
            texts,
            key=read_key([self.key_env] if self.key_env else []),
            patience=self.patience,
            seconds=min(600.0, seconds_left()),
            concurrency=self.concurrency,
            key_header="x-api-key",
        )
        errors = [a for a in answers if isinstance(a, NoAnswer)]
        if len(errors) == len(answers) and all(e.status in _REFUSED for e in errors):
            raise ModelError(f"{self._address}: the server refuses ({errors[0]})")
        seconds = (time.perf_counter() - start) / len(rankings)
        return [self._ranking(r, answer, seconds) for r, answer in zip(rankings, answers)]

    @property
    def _address(self) -> str:
        return self.url if urlsplit(self.url).path.strip("/") else f"{self.url.rstrip('/')}/search"

    async def _documents(self, text: str, server: Server) -> Any:
        """The documents of one answer, still packed, or the error."""
        try:
            value = await server.ask(f"{self._address}?{urlencode({'query': text, 'k': self.k})}", None)
        except NoAnswer as error:
            return error
        results = value.get("results") if isinstance(value, Mapping) else None
        return results if isinstance(results, list) else NoAnswer('the answer has no list "results"')

    def _ranking(self, ranking: Ranking, answer: Any, seconds: float) -> Ranking:
        if isinstance(answer, NoAnswer):
            kind = UNREACHABLE if answer.unreachable else "no answer"
            usage = Usage(calls=1, fallback=1, repairs={kind: 1})
            return ranking.with_step(Step("gym", seconds, usage, (str(answer),), untouched=True))
        documents: dict[str, Candidate] = {}
        for packed in answer[: self.k]:
            if (candidate := unpacked(packed)) is not None:
                documents.setdefault(candidate.id, candidate)
        members = tuple(replace(c, score=float(len(documents) - rank)) for rank, c in enumerate(documents.values()))
        lost = len(answer[: self.k]) - len(members)
        usage = Usage(calls=1, repairs={"unreadable or repeated document": lost} if lost else {}, mended=int(lost > 0))
        return replace(ranking, candidates=members).with_step(Step("gym", seconds, usage))


def unpacked(packed: Any) -> Candidate | None:
    """The document of one result, its other fields as meta; None if it can't be read or has no text or id.

    >>> unpacked(base64.b64encode(b'{"ClueWeb22-ID": "c1", "Clean-Text": "a text", "URL": "http://x"}').decode())
    Candidate(id='c1', content='a text', score=0.0, meta={'url': 'http://x'})
    """
    try:
        record = json.loads(base64.b64decode(packed, validate=True))
    except (TypeError, ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    text, id = (next((record[n] for n in names if record.get(n)), None) for names in (_TEXT, _ID))
    if not isinstance(text, str) or is_blank(text) or not isinstance(id, str | int) or isinstance(id, bool):
        return None
    meta = {("url" if n == "URL" else n): v for n, v in record.items() if n not in (*_TEXT, "ClueWeb22-ID", "id")}
    return Candidate(str(id), text, 0.0, meta)
