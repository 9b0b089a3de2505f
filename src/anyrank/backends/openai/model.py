"""A model of an OpenAI-compatible server, as a backend that generates, scores options and scores texts."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from ...core.errors import InputError, ModelError
from ...core.language import Completion, LogProbs, Prompt, images_in, messages
from ...core.limits import seconds_left
from ...core.trace import UNREACHABLE, Usage
from .answers import IMAGE, ROOM, completion, fewer, folded, longer, refuses_system, usage_of
from .http import NoAnswer, Patience, Server, ask_all

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
    requests under way at once. ``top``: how many next tokens the server reports (fewer if it
    refuses that many). ``extra``: fields put into each
    request's body. ``limit_field``: the server's name for the number of new tokens.

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
    _learned: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the server refused so far, so that it is asked for only once: "system" turns, more than "top" tokens."""
    _given: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """What the server gave at least once: "answer", "log-probabilities"."""

    reads_images: ClassVar[bool] = True  # sent unchanged: only the server knows whether its model reads them

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        # An address copied with the path of a request: the paths are added to each request.
        base = url.path.rstrip("/")
        for path in ("/chat/completions", "/completions"):
            base = base.removesuffix(path)
        if base != url.path.rstrip("/"):
            url = url._replace(path=base)
            object.__setattr__(self, "base_url", url.geturl())  # frozen
        if url.scheme not in ("http", "https") or not url.hostname:
            raise InputError("base_url must be http://… or https://… with a host")
        if url.username or url.password:
            raise InputError("base_url holds a user name or password: use key_env or key_file instead")
        if self.concurrency < 1 or self.deadline <= 0:
            raise InputError(f"concurrency={self.concurrency}, deadline={self.deadline}: both must be more than 0")

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        fields: dict[str, Any] = {self.limit_field: max_tokens, "temperature": temperature, "seed": seed}
        if stop:
            fields["stop"] = list(stop)

        async def one(prompt: Prompt, server: Server) -> Completion:
            try:
                return completion(await self._ask(prompt, fields, server), stop)
            except NoAnswer as error:
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
        if any(not a.error for a in answers):
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
            key=self._key(),
            patience=self.patience,
            seconds=min(self.deadline, seconds_left()),
            concurrency=self.concurrency,
        )

    async def _ask(self, prompt: Prompt, fields: Mapping[str, Any], server: Server) -> dict[str, Any]:
        """The server's answer; one that knows no system turn gets it as the beginning of the first user turn. Raises
        NoAnswer."""
        without_system = folded(prompt)
        if without_system is None:
            return await self._ask_once(prompt, fields, server)
        if "system" not in self._learned:
            try:
                return await self._ask_once(prompt, fields, server)
            except NoAnswer as error:
                if not refuses_system(str(error)):
                    raise
        reply = await self._ask_once(without_system, fields, server)
        self._learned["system"] = 0
        return reply

    async def _ask_once(self, prompt: Prompt, fields: Mapping[str, Any], server: Server) -> dict[str, Any]:
        """The server's answer, with its first choice under "choice". Raises NoAnswer."""
        body: dict[str, Any] = {"model": self.model, **fields, **self.extra}
        if isinstance(prompt, str):
            path, body["prompt"] = "completions", prompt
        else:
            path, body["messages"] = "chat/completions", messages(prompt)
            if prompt and prompt[-1].role == "assistant":
                if not self.prefill:
                    raise InputError(
                        "say how this server continues an assistant's turn: prefill='server' or prefill='vllm'"
                    )
                if self.prefill == "vllm":
                    body |= {"continue_final_message": True, "add_generation_prompt": False}
        url = urlsplit(self.base_url)
        target = url._replace(path=f"{url.path.rstrip('/')}/{path}").geturl()
        try:
            reply = await server.ask(target, body)
        except NoAnswer as error:
            if not str(error).startswith(("HTTP 404", "HTTP 405")):
                raise
            raise NoAnswer(f"{error} (POST {urlsplit(target).path})") from None
        choices = reply.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise NoAnswer(f"an answer without choices: its fields are {sorted(reply)}")
        longest = len(json.dumps(body)) + ROOM + IMAGE * (not isinstance(prompt, str) and len(images_in(prompt)))
        new = int(body.get(self.limit_field, 0)) + len(json.dumps(choices[0])) + ROOM
        return {**reply, "choice": choices[0], "most": {"prompt_tokens": longest, "completion_tokens": new}}

    def _key(self) -> str:
        if self.key_env:
            key, source = os.environ.get(self.key_env, "").strip(), f"the environment variable {self.key_env}"
            if not key:
                raise InputError(f"{source} must hold the key, but is empty")
        elif self.key_file:
            source = f"the file {self.key_file}"
            try:
                key = Path(self.key_file).expanduser().read_text(errors="replace").strip()
            except OSError as error:
                raise InputError(f"the file of the key can't be read: {error.strerror}", path=self.key_file) from None
        else:
            return ""
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InputError(f"{source} must hold only the key, in one line of visible ASCII characters")
        return key

    async def _options(self, prompt: Prompt, options: Sequence[str], server: Server) -> LogProbs:
        values, tokens = [0.0] * len(options), [0] * len(options)
        usage, problem = Usage(), ""
        unfinished = {
            "": [k for k, o in enumerate(options) if o]
        }  # options by the prefix of theirs that is scored already
        while unfinished:
            prefix, current = unfinished.popitem()
            try:
                top, cost = await self._top(longer(prompt, prefix), server)
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
        return LogProbs(tuple(values), usage, tuple(tokens), problem)

    async def _top(self, prompt: Prompt, server: Server, most: int = 0) -> tuple[dict[str, float], Usage]:
        """The likeliest next tokens and their log-probabilities; at most ``most`` if it isn't 0."""
        top = most or self._learned.get("top", self.top)
        plain = isinstance(prompt, str)
        request = {"logprobs": top} if plain else {"logprobs": True, "top_logprobs": top}
        try:
            reply = await self._ask(prompt, {self.limit_field: 1, "temperature": 0.0, **request}, server)
        except NoAnswer as error:
            if less := fewer(str(error), top):
                return await self._top(prompt, server, less)
            raise
        if most:
            self._learned["top"] = most
        logprobs = reply["choice"].get("logprobs") or {}
        try:
            if logprobs.get("content"):
                likeliest = {str(t["token"]): float(t["logprob"]) for t in logprobs["content"][0]["top_logprobs"]}
            else:
                likeliest = {t: float(v) for t, v in (logprobs.get("top_logprobs") or [{}])[0].items()}
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError):
            likeliest = {}
        if not likeliest:
            raise NoAnswer(_NONE)
        return likeliest, usage_of(reply)

    async def _echo(self, prompt: Prompt, continuation: str, server: Server) -> LogProbs:
        if not isinstance(prompt, str):
            raise InputError("a server gives the log-likelihood of plain prompts only, not of conversations")
        if not continuation:
            return LogProbs((0.0,), Usage(), (0,))
        fields = {self.limit_field: 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        try:
            reply = await self._ask(prompt + continuation, fields, server)
        except NoAnswer as error:
            usage = _unanswered(error) + Usage(repairs={"no answer": 1})
            return LogProbs((math.nan,), usage, (0,), str(error))
        logprobs, whole = reply["choice"].get("logprobs") or {}, len(prompt) + len(continuation)
        try:
            starts, values = logprobs["text_offset"], logprobs["token_logprobs"]
            spans = zip(starts, [*starts[1:], whole + 1], values, strict=True)
            inside = [float(v) for start, after, v in spans if start < whole and after > len(prompt)]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            inside = []
        if not inside or len(starts) < 2:
            return LogProbs((math.nan,), usage_of(reply) + Usage(repairs={_NONE: 1}), (0,), _NONE)
        return LogProbs((float(sum(inside)),), usage_of(reply), (len(inside),))


def _unanswered(error: NoAnswer) -> Usage:
    """The usage of a call without an answer, which says whether the server could be reached."""
    return Usage(calls=1, repairs={UNREACHABLE: 1} if error.unreachable else {})


HOSTED = "https://api.openai.com/v1"
_SETTINGS = ("key_env", "key_file", "limit_field", "prefill")
"""The settings that may follow an address; they are fields of `OpenAI`."""


def open_address(address: str) -> OpenAI:
    """The model of an address "MODEL@URL#SETTINGS". Without "@URL" it is the hosted server's, with the key in
    OPENAI_API_KEY. Raises InputError for unknown settings.

    >>> open_address("qwen3@http://127.0.0.1:8080/v1#prefill=vllm").prefill
    'vllm'
    """
    name, _, settings = address.partition("#")
    model, _, url = name.partition("@")
    options = dict(parse_qsl(settings, keep_blank_values=True))
    if not model:
        raise InputError("openai: names no model")
    if unknown := sorted(options.keys() - _SETTINGS):
        raise InputError(f"openai:{address}: unknown settings {', '.join(unknown)}: there are {', '.join(_SETTINGS)}")
    if options.get("prefill", "") not in ("", "server", "vllm"):
        raise InputError(f"openai:{address}: prefill is server or vllm, not {options['prefill']!r}")
    if not url and not options.keys() & {"key_env", "key_file"}:
        options["key_env"] = "OPENAI_API_KEY"
    return OpenAI(model, url or HOSTED, **options)  # type: ignore[arg-type]
