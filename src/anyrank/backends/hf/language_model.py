"""Language models on transformers and torch: decoders and encoder-decoders, safetensors or GGUF, with every method of
`core.language`.

A prompt's result does not depend on its batch: alone and in a batch it is the same up to the rounding of the number
format (float32: about 1e-5 in a log-probability; bfloat16: about 1e-1, enough to turn a near tie of greedy tokens).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...core.errors import InputError, ModelError
from ...core.language import Completion, LogProbs, NextStates, Prompt, TokenWeights
from ...core.trace import Usage
from ...hub.fingerprint import Fingerprinted
from ...hub.positions import most_tokens
from ...llm.token_ids import Overflow, Tokens, continued, fitted, option_rows, render
from .decoder import Decoder
from .fused import FusionInDecoder
from .load import device_of, load, torch_module
from .sampling import Draft
from .seq2seq import EncoderDecoder


@dataclass(frozen=True)
class HF(Fingerprinted, FusionInDecoder):
    """A language model by its hub id, folder or .gguf file; loaded when first used.

    ``dtype``: "auto" (bfloat16 if the machine is fast at it, else float32), "bfloat16", "float16", "float32".
    ``threads``: torch's threads, set for the whole process. ``context``: tokens that fit (the model's own number by
    default; an encoder-decoder with relative positions has none). A prompt that doesn't fit raises InputError, or
    loses tokens at its beginning or in its "middle" as ``overflow`` says, and ``usage.truncated`` counts it.
    ``batch_tokens``: tokens run at once. ``reuse``: a prefix that prompts of one call share is run once.

    In a conversation for an encoder-decoder, the decoder begins with the assistant's turn.

    Errors: MissingExtra without torch and transformers; ModelError if the model can't be loaded.
    """

    path: str
    dtype: str = "auto"
    gguf_file: str | None = None
    revision: str | None = None
    threads: int | None = None
    device: str = ""
    context: int | None = None
    overflow: Overflow = "error"
    batch_tokens: int = 4096
    reuse: bool = True

    @classmethod
    def load(cls, path: Any, **options: Any) -> HF:
        """The same value, loaded at once."""
        model = cls(str(path), **options)
        _ = model.engine
        return model

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        if self.threads:
            torch_module().set_num_threads(self.threads)
        return load(
            "lm",
            self.path,
            dtype=self.dtype,
            device=device_of(self.device),
            revision=self.revision,
            gguf_file=self.gguf_file,
        )

    @cached_property
    def engine(self) -> Decoder | EncoderDecoder:
        model = self._loaded[0]
        if model.config.is_encoder_decoder:
            return EncoderDecoder(model, self.batch_tokens)
        return Decoder(model, self.batch_tokens, self.reuse)

    @property
    def tokenizer(self) -> Any:
        return self._loaded[1]

    @cached_property
    def limit(self) -> int | None:
        """Tokens that fit."""
        config = self._loaded[0].config.get_text_config()
        own = most_tokens(config.to_dict())
        return min((n for n in (self.context, own) if n), default=None)

    def render(self, prompt: Prompt) -> str:
        """The text that the model sees for a prompt."""
        text, beginning, _ = self._render(prompt)
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
        for t in encoded:
            used = len(t.start) if self._seq2seq else len(t.ids)
            new_tokens = min(max_tokens, (self.limit or used + max_tokens) - used)
            drafts.append(Draft(self._decode, t.ids, new_tokens, self._ends, tuple(stop), temperature, seed))
        if isinstance(self.engine, EncoderDecoder):
            self.engine.generate([t.ids for t in encoded], [t.start for t in encoded], drafts)
        else:
            self.engine.generate([t.ids for t in encoded], drafts)
        return [
            Completion(d.text, replace(_usage(t), completion_tokens=len(d.ids)), d.finish)
            for t, d in zip(encoded, drafts)
        ]

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        """If the tokenizer merges an option with the prompt's last characters, all options of that prompt are
        counted from the last token boundary that they share, those characters included."""
        encoded = [self._tokens(p, o) for p, o in zip(prompts, options, strict=True)]
        return [
            LogProbs(v, _usage(t), tuple(map(len, t.options)))
            for t, v in zip(encoded, self._scores(encoded), strict=True)
        ]

    def next_token_logits(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        """The raw logits of one-token options at an encoder-decoder's next position (RankT5's score), as ``values``."""
        encoded = [self._tokens(p, o) for p, o in zip(prompts, options, strict=True)]
        if not self._seq2seq or any(len(o) != 1 for t in encoded for o in t.options):
            raise ModelError(f"{self.path}: raw logits are read from encoder-decoders, for options of one token")
        return [LogProbs(v, _usage(t)) for t, v in zip(encoded, self._scores(encoded, raw=True), strict=True)]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        """Counted from the last common token boundary if the tokenizer merges prompt and continuation."""
        scores = self.next_token_logprobs(prompts, [(c,) for c in continuations])
        return [replace(s, usage=s.usage + Usage(prompt_tokens=s.tokens[0])) for s in scores]

    def attention(self, prompts: Sequence[Prompt], marks: Sequence[str]) -> list[TokenWeights]:
        engine = self.engine
        if isinstance(engine, EncoderDecoder):
            raise ModelError(
                f"{self.path}: an encoder-decoder has no attention of a prompt to itself: use a decoder-only model"
            )
        texts, rows, spans, starts, cut = [], [], [], [], []
        for prompt, mark in zip(prompts, marks, strict=True):
            text, beginning, templated = self._render(prompt)
            text += beginning
            ids, offsets = self._with_offsets(text, not templated)
            indices = fitted(ids, self.limit, self.overflow, "prompt")
            after = text.rfind(mark) + len(mark) if mark in text else -1
            start = next((k for k, i in enumerate(indices) if offsets[i][0] >= after and offsets[i][1]), None)
            if after < 0 or start is None:
                raise InputError(f"no token follows the mark {mark!r} in the prompt that ends {text[-60:]!r}")
            texts.append(text)
            rows.append([ids[i] for i in indices])
            spans.append(tuple(offsets[i] for i in indices))
            starts.append(start)
            cut.append(len(indices) < len(ids))
        return [
            TokenWeights(s, tuple(w), Usage(calls=1, prompt_tokens=len(w), truncated=int(c)), t)
            for s, w, c, t in zip(spans, engine.attention(rows, starts), cut, texts)
        ]

    def hidden_states(self, prompts: Sequence[Prompt], *, layer: int = -1) -> tuple[Any, Usage]:
        """float32 [n, dim]; of an encoder-decoder, the encoder's. Layer 0 is the embedding."""
        config = self._loaded[0].config.get_text_config()
        if not -config.num_hidden_layers - 1 <= layer <= config.num_hidden_layers:
            raise InputError(f"layer {layer}: the model has layers 0 to {config.num_hidden_layers}")
        encoded = [self._tokens(p) for p in prompts]
        states = self.engine.hidden([t.ids for t in encoded], layer)
        usage = sum((_usage(t) for t in encoded), Usage())
        return (np.stack(states) if states else np.zeros((0, config.hidden_size), np.float32)), usage

    def next_states(
        self, prompts: Sequence[Prompt], read: Callable[[int, NextStates], None], *, max_tokens: int = 1, stop: str = ""
    ) -> Usage:
        engine = self.engine
        if isinstance(engine, EncoderDecoder):
            raise ModelError(f"{self.path}: next states are a decoder's: use a decoder-only model")
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens}: must be at least 1")

        def text(token: int) -> str:
            return self.token_text([token])

        def ends(token: int) -> bool:
            return token in self._ends or bool(stop and stop in text(token))

        def states(i: int, hidden: Any, logits: Any, tokens: Sequence[int]) -> None:
            read(i, NextStates(np.stack(hidden), np.stack(logits), tuple(map(text, tokens))))

        encoded = [self._tokens(p, reserve=max_tokens) for p in prompts]
        engine.next_states([t.ids for t in encoded], max_tokens, ends, states)
        return sum((_usage(t) for t in encoded), Usage())

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._encode(texts, special=False) if texts else []

    def token_text(self, ids: Sequence[int]) -> str:
        return self._decode(ids)

    @property
    def _seq2seq(self) -> bool:
        return isinstance(self.engine, EncoderDecoder)

    @cached_property
    def _ends(self) -> frozenset[int]:
        model = self._loaded[0]
        ends = getattr(model.generation_config, "eos_token_id", None)
        ids = ends if isinstance(ends, list) else [ends]
        return frozenset(e for e in (*ids, self.tokenizer.eos_token_id) if e is not None)

    def _tokens(self, prompt: Prompt, options: Sequence[str] = (), reserve: int = 0) -> Tokens:
        """The prompt's ids, cut to fit beside ``reserve`` new tokens (or the longest option's)."""
        text, beginning, templated = self._render(prompt)
        room = self.limit
        if self._seq2seq:
            first = self._loaded[0].config.decoder_start_token_id
            answer = continued(partial(self._encode, special=False), beginning, options, first)
            ids: Sequence[int] = self.tokenizer(text)["input_ids"]
            start = answer.ids if answer.ids[:1] == (first,) else (first, *answer.ids)
        else:
            first = next((t for t in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id) if t is not None), None)
            spell = partial(self._encode, special=not templated)
            answer = continued(spell, text + beginning, options, first)
            ids, start = answer.ids, ()
            if room is not None:  # a prompt that may be cut leaves room for the answer, any other for one token
                reserve = min(reserve, room // 2 if self.overflow != "error" else 1)
                room -= reserve + max(map(len, answer.options), default=0)
        indices = fitted(ids, room, self.overflow, "prompt")
        return Tokens(tuple(ids[i] for i in indices), answer.options, start, len(indices) < len(ids))

    def _scores(self, prompts: Sequence[Tokens], raw: bool = False) -> list[tuple[float, ...]]:
        """For each prompt, the log-probability of each option: the sum over its tokens."""
        todo = option_rows(prompts)
        values = [[0.0] * len(t.options) for t in prompts]

        def read(i: int, logprobs: Any) -> None:
            owner = todo[i].owner
            for k in todo[i].options:
                option = list(prompts[owner].options[k])
                values[owner][k] = float(logprobs[range(len(option)), option].double().sum())

        rows, keep = [a.row for a in todo], [a.keep for a in todo]
        if isinstance(self.engine, EncoderDecoder):
            self.engine.score([t.ids for t in prompts], [a.owner for a in todo], rows, keep, read, raw)
        else:
            self.engine.score(rows, keep, read)
        return [tuple(v) for v in values]

    def _encode(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        """Ids of texts; ``special`` adds the tokenizer's special tokens before a text, never those after it."""
        tokenizer = self.tokenizer
        rows = tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False)["input_ids"]
        end = tokenizer.eos_token_id
        if special and end is not None and tokenizer("a")["input_ids"][-1] == end:
            rows = [r[:-1] for r in rows]
        return [list(map(int, r)) for r in rows]

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _render(self, prompt: Prompt) -> tuple[str, str, bool]:
        tokenizer = self.tokenizer
        form = partial(tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
        return render(form if tokenizer.chat_template else None, prompt)

    def _with_offsets(self, text: str, special: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of a text, each with its character span."""
        if not self.tokenizer.is_fast:
            raise ModelError(f"{self.path}: attention needs a fast tokenizer: save one there (tokenizer.json)")
        (ids,) = self._encode([text], special)
        spans = self.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)["offset_mapping"]
        return ids, [(int(a), int(b)) for a, b in spans[: len(ids)]]


def _usage(t: Tokens) -> Usage:
    return Usage(calls=1, prompt_tokens=len(t.ids), truncated=int(t.cut))
