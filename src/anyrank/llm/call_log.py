"""CallLog and Logged: every call of a language model written to a file, for a paper's appendix."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core.errors import InputError
from ..core.rerank import Group, Judge
from ..core.types import Judgement
from .cache import described
from .wrapper import Item, Wrapper, call


class CallLog:
    """A file of JSON lines, one a call, whole lines also from several threads. A new one replaces an older file, unless
    it is to be continued (``append``). Raises InputError if it can't be written, or would replace something else."""

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        if not append and not _is_log(path):
            raise InputError(
                "holds something other than a log of calls, which would be lost: choose another", path=path
            )
        self._open("a" if append else "w", [])

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        lines = [json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records]
        with self._lock:
            self._open("a", lines)

    def _open(self, mode: str, lines: Sequence[str]) -> None:
        try:
            with open(self.path, mode, encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(lines)
        except OSError as error:
            raise InputError(f"the log can't be written: {error.strerror or error}", path=self.path) from None


def _is_log(path: str | os.PathLike[str]) -> bool:
    """False for a file that is there and holds anything but records of calls."""
    if not os.path.isfile(path) or not os.path.getsize(path):
        return True
    try:
        with open(path, encoding="utf-8") as file:
            record = json.loads(file.readline())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"model", "seconds"} <= record.keys()


@dataclass(frozen=True)
class Logged(Wrapper):
    """A backend whose calls are written to a log: model, method, prompt (a text, or a list of turns), other arguments,
    settings, answer, calls and tokens, ``cached`` (1: from the cache, with the tokens that the answer first cost), and
    seconds (the batch's, shared by its prompts). ``model`` is the name the user gave."""

    wraps: Any
    log: CallLog = field(repr=False, compare=False)
    model: str = ""

    def ask(self, verb: str, items: Sequence[Item], settings: Mapping[str, Any]) -> list[Any]:
        start = time.perf_counter()
        answers = call(self.wraps, verb, items, settings)
        share = round((time.perf_counter() - start) / max(len(items), 1), 6)
        self.log.write([self._record(verb, i, settings, a, share) for i, a in zip(items, answers, strict=True)])
        return answers

    def _record(
        self, verb: str, item: Item, settings: Mapping[str, Any], answer: Any, seconds: float
    ) -> dict[str, Any]:
        given, usage = asdict(answer), answer.usage
        del given["usage"]
        prompt = described(item[0])
        if isinstance(prompt, list) and verb not in ("generate_fused", "attention_fused"):
            prompt = [{"role": role, "content": content} for role, content in prompt]
        return {
            "model": self.model,
            "method": verb,
            "prompt": prompt,
            "arguments": list(item[1:]),
            "settings": dict(settings),
            "answer": given,
            **_cost(usage),
            "seconds": seconds,
        }


@dataclass(frozen=True)
class LoggedJudge:
    """A judge whose judgements are written to a log: model, query, candidates' ids, scores, note, cost and seconds."""

    judge: Judge
    log: CallLog = field(repr=False, compare=False)
    model: str = ""

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        start = time.perf_counter()
        judgements = list(self.judge(groups))
        share = round((time.perf_counter() - start) / max(len(groups), 1), 6)
        records = []
        for (query, members), judgement in zip(groups, judgements):
            records.append(
                {
                    "model": self.model,
                    "method": "judge",
                    "query": described(query.content),
                    "candidates": [c.id for c in members],
                    "scores": [s if abs(s) < float("inf") else None for s in judgement.scores],
                    "note": judgement.note,
                    **_cost(judgement.usage),
                    "seconds": share,
                }
            )
        self.log.write(records)
        return judgements


def _cost(usage: Any) -> dict[str, Any]:
    names = (
        "calls",
        "prompt_tokens",
        "completion_tokens",
        "cached",
        "cached_prompt_tokens",
        "cached_completion_tokens",
    )
    return {name: getattr(usage, name) for name in names}
