"""A model of an OpenAI-compatible server, as a backend that generates, scores options and scores texts."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from ...core.errors import InputError, ModelError
from ...core.language import Completion, LogProbs, Prompt, images_in, messages
from ...core.limits import seconds_left
from ...core.trace import UNREACHABLE, Usage
from ..addresses import checked_url
from ..http import NoAnswer, Patience, Server, ask_all
from ..keys import read_key
from ..refusals import MOST, Form, Learned
from .answers import Reply, completion, folded, longer, usage_of

A = TypeVar("A", Completion, LogProbs)
T = TypeVar("T")
R = TypeVar("R")
_NONE = "no log-probabilities"
_REFUSED = ("HTTP 401", "HTTP 403", "HTTP 404")


@dataclass(frozen=True)
class OpenAI:
    """A model of a server. Plain prompts go to /completions, conversations to /chat/completions.

    ``key_env`` names the environment variable, or ``key_file`` the file, that holds the key; it is read at each call
    and shown nowhere. ``patience`` bounds each request, ``deadline`` seconds the whole of a call, ``concurrency`` the
    requests under way at once. ``top``: how many next tokens the server reports. ``max_tokens``: the room for an
    answer, in place of the method's own if it isn't 0. ``extra``: fields put into each request's body, or left out of
    it where the value is None. ``limit_field``: the server's name for the number of new tokens.

    A field that the server refuses (400 or 422: a temperature, a seed, top_logprobs above 5, a system turn) is left out
    or changed as its error says, from then on for all requests, and the answers' ``note`` says so.

    ``prefill`` says how the server continues an assistant's turn: "server" (of itself, as llama.cpp's and Ollama do),
    "vllm" (by vLLM's own fields, SGLang's too), "" (it doesn't: such prompts raise InputError).

    A prompt whose request fails after all tries gives a Completion with finish="error", or NaN log-probabilities and a
    repair "no answer" or "no log-probabilities"; the others of the call are kept. Errors: ModelError if the server
    reports log-probabilities for no prompt of a call, or refuses all of them (a wrong key, no such model), and never
    gave any before; InputError for a key that isn't there.
    """

    model: str
    base_url: str = "http://127.0.0.1:8000/v1"
    key_env: str = ""
    key_file: str = ""
    patience: Patience = Patience()
    deadline: float = 600.0
    concurrency: int = 8
    top: int = 20
    prefill: Literal["", "server", "vllm"] = ""
    limit_field: str = "max_tokens"
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    max_tokens: int = 0
    _learned: Learned = field(default_factory=Learned, init=False, repr=False, compare=False)
    """The form of requests that the server takes, so that what it refuses is asked for only once."""
    _given: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """What the server gave at least once: "answer", "log-probabilities"."""

    reads_images: ClassVar[bool] = True  # sent unchanged: only the server knows whether its model reads them

    def __post_init__(self) -> None:
        url = urlsplit(checked_url(self.base_url))
        # An address copied with the path of a request: the paths are added to each request.
        base = url.path.rstrip("/")
        for path in ("/chat/completions", "/completions"):
            base = base.removesuffix(path)
        if base != url.path.rstrip("/"):
            url = url._replace(path=base)
            object.__setattr__(self, "base_url", url.geturl())  # frozen
        if self.concurrency < 1 or self.deadline <= 0:
            raise InputError(f"concurrency={self.concurrency}, deadline={self.deadline}: both must be more than 0")

    @property
    def answer_room(self) -> int:
        """The room for all answers; 0 if each method's own."""
        return self.max_tokens

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        room = self.max_tokens or max_tokens
        fields: dict[str, Any] = {self.limit_field: room, "temperature": temperature, "seed": seed}
        if stop:
            fields["stop"] = list(stop)

        async def one(prompt: Prompt, server: Server) -> Completion:
            refused = 0
            try:
                reply = await self._ask(prompt, fields, server)
                refused = reply.refused
                return completion(reply, stop)
            except NoAnswer as error:
                error.refused = max(error.refused, refused)
                return Completion("", _unanswered(error), "error", str(error))

        return self._check_served(self._all(one, prompts))

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        """By the ``top`` next tokens that the server reports. An option that isn't among them is -inf and counted as a
        repair "outside the top"; one that begins with a reported token is followed by a further request (in a
        conversation only if ``prefill`` says how, else it is NaN and counted as "option of several tokens")."""
        pairs = list(zip(prompts, options, strict=True))
        return self._check_known(self._all(lambda pair, server: self._options(*pair, server), pairs))

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        """By the echo of /completions, as vLLM has it, so for plain prompts only; a token that spans the border between
        prompt and continuation is counted. (llama-cpp-python 0.3.36 echoes values one token off for models without a
        beginning token: ask such a file through the llamacpp backend.)"""
        pairs = list(zip(prompts, continuations, strict=True))
        return self._check_known(self._all(lambda pair, server: self._echo(*pair, server), pairs))

    def _check_served(self, answers: list[A]) -> list[A]:
        if any(not a.error or (isinstance(a, Completion) and a.finish != "error") for a in answers):
            self._given.add("answer")
        if answers and "answer" not in self._given and all(a.error.startswith(_REFUSED) for a in answers):
            raise ModelError(f"{self.model} at {self.base_url}: the server refuses ({answers[0].error})")
        return answers

    def _check_known(self, answers: list[LogProbs]) -> list[LogProbs]:
        if any(_NONE not in a.usage.repairs and not a.error for a in answers):
            self._given.add("log-probabilities")
        if answers and "log-probabilities" not in self._given and all(_NONE in a.usage.repairs for a in answers):
            raise ModelError(
                f"{self.model} at {self.base_url} reports no log-probabilities of this kind: generate instead"
            )
        return self._check_served(answers)

    def _all(self, one: Callable[[T, Server], Awaitable[R]], items: Sequence[T]) -> list[R]:
        if not items:
            return []
        return ask_all(
            one,
            items,
            key=read_key([self.key_env] if self.key_env else [], self.key_file),
            patience=self.patience,
            seconds=min(self.deadline, seconds_left()),
            concurrency=self.concurrency,
        )

    async def _ask(
        self, prompt: Prompt, fields: Mapping[str, Any], server: Server, needed: Sequence[str] = ()
    ) -> Reply:
        """The server's answer. If it refuses the request's form, it is asked again in one that it takes; ``needed`` are
        the fields that it must take. Raises NoAnswer."""
        path = "completions" if isinstance(prompt, str) else "chat/completions"
        body = {"model": self.model, **fields, **self.extra}
        body = {name: value for name, value in body.items() if value is not None}
        held = {"model", "prompt", "messages", *needed}
        form, last = self._learned.form, MOST
        while True:
            turns, notes = _in_form(prompt, form, keep_prefill=bool(needed))
            whole = body | self._asking(turns)
            sent, changes = form.apply(whole)
            try:
                value = await self._post(path, sent, server)
                break
            except NoAnswer as error:
                error.refused = MOST - last
                better = form.after(error, whole, held)
                last -= 1
                if better is None or better == form or not last:
                    raise
                form = better
        self._learned.learn(form)
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            kind = f"its fields are {sorted(value)[:9]}"[:200] if isinstance(value, dict) else "it is a list"
            raise NoAnswer(f"an answer without choices: {kind}", refused=MOST - last)
        limits = [sent[n] for n in (self.limit_field, *form.renamed.values()) if type(sent.get(n)) is int]
        images = () if isinstance(turns, str) else images_in(turns)
        text = turns if isinstance(turns, str) else "".join(_plain_text(t.content) for t in turns)
        return Reply(
            choices[0],
            value.get("usage"),
            len(text.encode("utf-8", "replace")),
            len(json.dumps(sent)),
            len(images),
            max(limits, default=None),
            (*changes, *notes),
            MOST - last,
        )

    def _asking(self, prompt: Prompt) -> dict[str, Any]:
        """The fields of a request that hold the prompt."""
        if isinstance(prompt, str):
            return {"prompt": prompt}
        fields: dict[str, Any] = {"messages": messages(prompt)}
        if prompt and prompt[-1].role == "assistant":
            if not self.prefill:
                raise InputError(
                    "say how this server continues an assistant's turn: prefill='server' or prefill='vllm'"
                )
            if self.prefill == "vllm":
                fields |= {"continue_final_message": True, "add_generation_prompt": False}
        return fields

    async def _post(self, path: str, body: Mapping[str, Any], server: Server) -> Any:
        url = urlsplit(self.base_url)
        target = url._replace(path=f"{url.path.rstrip('/')}/{path}").geturl()
        try:
            return await server.ask(target, body)
        except NoAnswer as error:
            if error.status not in (404, 405):
                raise
            text = f"{error} (POST {urlsplit(target).path})"
            raise NoAnswer(text, status=error.status, message=error.message, fields=error.fields) from None

    async def _options(self, prompt: Prompt, options: Sequence[str], server: Server) -> LogProbs:
        values, tokens = [0.0] * len(options), [0] * len(options)
        usage, problem, note = Usage(), "", ""
        unfinished = {
            "": [k for k, o in enumerate(options) if o]
        }  # options by the prefix of theirs that is scored already
        while unfinished:
            prefix, current = unfinished.popitem()
            try:
                top, cost, note = await self._top(longer(prompt, prefix), server)
            except NoAnswer as error:
                problem = str(error)
                usage += _unanswered(error)
                usage += Usage(repairs={str(error) if str(error) == _NONE else "no answer": len(current)})
                values = [math.nan if k in current else v for k, v in enumerate(values)]
                continue
            usage += cost
            for k in current:
                rest = options[k][len(prefix) :]
                token = max((t for t in top if t and rest.startswith(t)), key=len, default="")
                tokens[k] += 1
                if not token:
                    values[k], usage = -math.inf, usage + Usage(repairs={"outside the top": 1})
                elif token != rest and not isinstance(prompt, str) and not self.prefill:
                    values[k], usage = math.nan, usage + Usage(repairs={"option of several tokens": 1})
                    problem = (
                        problem
                        or f"{options[k]!r} is of several tokens, and prefill doesn't say how to ask for the rest"
                    )
                else:
                    values[k] += top[token]
                    if token != rest:
                        unfinished.setdefault(prefix + token, []).append(k)
        return LogProbs(tuple(values), usage, tuple(tokens), problem, note)

    async def _top(self, prompt: Prompt, server: Server) -> tuple[dict[str, float], Usage, str]:
        """The likeliest next tokens and their log-probabilities; a server that reports no others gives the one that it
        chose."""
        plain = isinstance(prompt, str)
        request = {"logprobs": self.top} if plain else {"logprobs": True, "top_logprobs": self.top}
        reply = await self._ask(prompt, {self.limit_field: 1, "temperature": 0.0, **request}, server, ["logprobs"])
        logprobs = reply.choice.get("logprobs") or {}
        try:
            if logprobs.get("content"):
                first = logprobs["content"][0]
                likeliest = {str(t["token"]): float(t["logprob"]) for t in first.get("top_logprobs") or [first]}
            else:
                likeliest = {t: float(v) for t, v in (logprobs.get("top_logprobs") or [{}])[0].items()}
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError):
            likeliest = {}
        if not likeliest:
            raise NoAnswer(_NONE, refused=reply.refused)
        return likeliest, *_cost(reply)

    async def _echo(self, prompt: Prompt, continuation: str, server: Server) -> LogProbs:
        if not isinstance(prompt, str):
            raise InputError("a server gives the log-likelihood of plain prompts only, not of conversations")
        if not continuation:
            return LogProbs((0.0,), Usage(), (0,))
        fields = {self.limit_field: 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        try:
            reply = await self._ask(prompt + continuation, fields, server, ["echo", "logprobs"])
        except NoAnswer as error:
            usage = _unanswered(error) + Usage(repairs={"no answer": 1})
            return LogProbs((math.nan,), usage, (0,), str(error))
        usage, note = _cost(reply)
        logprobs, whole = reply.choice.get("logprobs") or {}, len(prompt) + len(continuation)
        try:
            starts, values = logprobs["text_offset"], logprobs["token_logprobs"]
            spans = zip(starts, [*starts[1:], whole + 1], values, strict=True)
            inside = [float(v) for start, after, v in spans if start < whole and after > len(prompt)]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            inside = []
        if not inside or len(starts) < 2:
            return LogProbs((math.nan,), usage + Usage(repairs={_NONE: 1}), (0,), _NONE, note)
        return LogProbs((float(sum(inside)),), usage, (len(inside),), "", note)


def _in_form(prompt: Prompt, form: Form, *, keep_prefill: bool) -> tuple[Prompt, list[str]]:
    """A conversation in the form that a server takes, and in words what was changed."""
    notes = []
    if form.folded and (without_system := folded(prompt)) is not None:
        prompt = without_system
        notes.append("with the system turn in the user's")
    begun = len(prompt) > 1 and not isinstance(prompt, str) and prompt[-1].role == "assistant"
    if form.no_prefill and not keep_prefill and begun:
        prompt = prompt[:-1]
        notes.append("without the answer's beginning")
    return prompt, notes


def _plain_text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part for part in content if isinstance(part, str))


def _cost(reply: Reply) -> tuple[Usage, str]:
    """What a reply that isn't read as a text cost, and the note on its request and cost."""
    usage, counted = usage_of(reply, "")
    changes = [f"sent {', '.join(reply.notes)}: the server refuses it"] if reply.notes else []
    return usage, "; ".join((*changes, *counted))


def _unanswered(error: NoAnswer) -> Usage:
    """The usage of a call without an answer, and of its refused forms; it says whether the server was reached."""
    return Usage(calls=1 + error.refused, repairs={UNREACHABLE: 1} if error.unreachable else {})
