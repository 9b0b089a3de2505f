"""Language models by llama.cpp (llama-cpp-python): GGUF files, small memory, fast generation on a CPU.

Prompts run one at a time; the prefix that a prompt shares with the one before is not run again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, MissingExtra, ModelError
from ..core.language import Completion, LogProbs, Prompt
from ..core.trace import Usage
from ..hub.fingerprint import Fingerprinted
from ..hub.folder import Declared
from ..llm.token_ids import Overflow, Tokens, common, continued, fitted, option_rows, render
from .hf.sampling import Draft


@dataclass(frozen=True)
class LlamaCpp(Fingerprinted):
    """A GGUF file; loaded when first used.

    ``context``: tokens that fit, at most the model's own number; memory grows with it. ``overflow``: "error" raises
    InputError for a prompt that doesn't fit, "left" and "middle" drop tokens there, counted in ``usage.truncated``.
    ``reuse``: don't run the prefix again that a prompt shares with the one before. ``gpu_layers``: layers on a GPU, -1
    all of them.

    llama.cpp's kernels round activations to 8 bits for quantised weights, so log-probabilities differ from other
    engines' on the same file by some hundredths to tenths.

    Errors: MissingExtra without llama-cpp-python; ModelError if the file can't be loaded.
    """

    path: str
    context: int = 8192
    threads: int | None = None
    gpu_layers: int = 0
    overflow: Overflow = "error"
    reuse: bool = True
    batch_tokens: int = 512
    _lock: Any = field(default_factory=threading.RLock, init=False, repr=False, compare=False)
    _past: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def load(cls, path: Any, **options: Any) -> LlamaCpp:
        """The same value, loaded at once."""
        model = cls(str(path), **options)
        _ = model._llama
        return model

    @cached_property
    def _llama(self) -> Any:
        try:
            import llama_cpp
        except ModuleNotFoundError as error:
            if error.name != "llama_cpp":
                raise
            raise MissingExtra("llama-cpp-python", "llamacpp") from None
        if not Path(self.path).is_file():
            raise ModelError(f"{self.path}: the file doesn't exist; llama.cpp reads a .gguf file")
        options = {"n_batch": self.batch_tokens, "n_threads": self.threads, "n_threads_batch": self.threads}
        try:
            return llama_cpp.Llama(
                self.path, n_ctx=self.context, n_gpu_layers=self.gpu_layers, verbose=False, **options
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.path}: can't be loaded: {error}") from error

    @property
    def limit(self) -> int:
        """Tokens that fit."""
        import llama_cpp as lib

        own = int(lib.llama_model_n_ctx_train(self._llama.model))
        return min(self.context, own) if own > 0 else self.context

    def render(self, prompt: Prompt) -> str:
        """The text that the model sees for a prompt."""
        text, beginning, _ = render(self._template, prompt)
        return text + beginning

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens}: must be at least 1")
        encoded = [self._tokens(p, reserve=max_tokens) for p in prompts]
        drafts = []
        with self._lock:
            for t in encoded:
                new_tokens = min(max_tokens, self.limit - len(t.ids))
                draft = Draft(self._decode, t.ids, new_tokens, self._ends, tuple(stop), temperature, seed)
                row = list(t.ids)
                while not draft.done:
                    logits = self._run(row, 1)[0]
                    row.append(draft.add(int(logits.argmax()), partial(np.asarray, logits)))
                drafts.append(draft)
        return [
            Completion(d.text, replace(_usage(t), completion_tokens=len(d.ids)), d.finish)
            for t, d in zip(encoded, drafts)
        ]

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        """If the tokenizer merges an option with the prompt's last characters, all options of that prompt are
        counted from the last token boundary that they share, those characters included."""
        encoded = [self._tokens(p, o) for p, o in zip(prompts, options, strict=True)]
        values = [[0.0] * len(t.options) for t in encoded]
        with self._lock:
            for row in sorted(option_rows(encoded), key=lambda r: r.row):  # sorted rows share the longest prefixes
                logprobs = _log_softmax(self._run(row.row, row.keep))
                for k in row.options:
                    option = list(encoded[row.owner].options[k])
                    values[row.owner][k] = float(logprobs[range(len(option)), option].sum())
        return [LogProbs(tuple(v), _usage(t), tuple(map(len, t.options))) for v, t in zip(values, encoded)]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        """Counted from the last common token boundary if the tokenizer merges prompt and continuation."""
        scores = self.next_token_logprobs(prompts, [(c,) for c in continuations])
        return [replace(s, usage=s.usage + Usage(prompt_tokens=s.tokens[0])) for s in scores]

    def _run(self, row: Sequence[int], keep: int) -> NDArray[np.float32]:
        """Logits after each of the last ``keep`` tokens of ``row``: [keep, vocabulary]."""
        import llama_cpp as lib

        llama, row = self._llama, list(row)
        past = min(common(self._past, row) if self.reuse else 0, len(row) - keep)
        if not lib.llama_memory_seq_rm(lib.llama_get_memory(llama.ctx), 0, past, -1):
            lib.llama_memory_clear(lib.llama_get_memory(llama.ctx), True)  # a recurrent state can't be cut: start again
            past = 0
        del self._past[past:]
        out = np.empty((keep, llama.n_vocab()), dtype=np.float32)
        first = len(row) - keep  # the first token whose logits are needed
        for at in range(past, len(row), self.batch_tokens):
            part = row[at : at + self.batch_tokens]
            needed = [at + i >= first for i in range(len(part))]
            self._decode_batch(part, at, needed)
            for i in (i for i, need in enumerate(needed) if need):
                logits = lib.llama_get_logits_ith(llama.ctx, i)
                out[at + i - first] = np.ctypeslib.as_array(logits, shape=(llama.n_vocab(),))
            self._past.extend(part)
        return out

    def _decode_batch(self, part: Sequence[int], at: int, needed: Sequence[bool]) -> None:
        """Run tokens from position ``at`` on; ``needed`` marks those whose logits are read."""
        import llama_cpp as lib

        batch = lib.llama_batch_init(len(part), 0, 1)
        try:
            batch.n_tokens = len(part)
            for i, (token, need) in enumerate(zip(part, needed)):
                batch.token[i], batch.pos[i], batch.logits[i] = token, at + i, need
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            code = lib.llama_decode(self._llama.ctx, batch)
        finally:
            lib.llama_batch_free(batch)
        if code != 0:
            raise ModelError(
                f"{self.path}: llama.cpp could not run {len(part)} tokens from position {at} on (code {code})"
            )

    def _tokens(self, prompt: Prompt, options: Sequence[str] = (), reserve: int = 0) -> Tokens:
        """The prompt's ids, cut to fit beside ``reserve`` new tokens or the longest option's."""
        text, beginning, templated = render(self._template, prompt)
        llama = self._llama
        first = next((t for t in (llama.token_bos(), llama.token_eos()) if t >= 0), None)
        spelled = continued(partial(self._encode, begin=not templated), text + beginning, options, first)
        reserve = min(reserve, self.limit // 2 if self.overflow != "error" else 1)
        room = self.limit - reserve - max(map(len, spelled.options), default=0)
        indices = fitted(spelled.ids, room, self.overflow, "prompt")
        return Tokens(tuple(spelled.ids[i] for i in indices), spelled.options, (), len(indices) < len(spelled.ids))

    def _encode(self, texts: Sequence[str], begin: bool) -> list[list[int]]:
        """Ids of texts; ``begin`` adds the model's beginning token if its file asks for one."""
        llama = self._llama
        rows = [llama.tokenize(t.encode(), add_bos=begin, special=True) for t in texts]
        end = llama.token_eos()
        return [
            r[:-1] if begin and r and r[-1] == end and not t.endswith(self._piece(end)) else r
            for r, t in zip(rows, texts)
        ]

    def _piece(self, token: int) -> str:
        """The text of one token, special or not."""
        return str(self._llama.detokenize([token], special=True).decode(errors="replace")) if token >= 0 else ""

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._llama.detokenize(list(ids)).decode(errors="replace"))

    @cached_property
    def _ends(self) -> frozenset[int]:
        import llama_cpp as lib

        vocab = lib.llama_model_get_vocab(self._llama.model)
        return frozenset(t for t in range(self._llama.n_vocab()) if lib.llama_vocab_is_eog(vocab, t))

    @cached_property
    def _template(self) -> Any:
        text = self._llama.metadata.get("tokenizer.chat_template")
        if text is None:
            return None
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        end, begin = (self._piece(t) for t in (self._llama.token_eos(), self._llama.token_bos()))
        form = Jinja2ChatFormatter(text, eos_token=end, bos_token=begin)
        return lambda messages: str(form(messages=messages).prompt)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def _usage(t: Tokens) -> Usage:
    return Usage(calls=1, prompt_tokens=len(t.ids), truncated=int(t.cut))


def open_folder(declared: Declared, **options: Any) -> LlamaCpp:
    """The language model of a GGUF file, loaded when it is first used.

    A prompt that doesn't fit loses its middle and is counted as truncated (``overflow="error"`` raises instead). Raises
    ModelError for a model of another kind.
    """
    if declared.kind != "language":
        raise ModelError(f"{declared.described}, not a language model")
    return LlamaCpp(str(declared.gguf or declared.folder), **{"overflow": "middle", **options})
