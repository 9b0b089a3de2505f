"""An ONNX model with its tokenizer: texts in, arrays out, in batches bounded by a token budget."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, ModelError
from ...hub.folder import Declared
from .batching import Batch, Ints, Text, cuts, padded, shortened, slices

MAX_TOKENS = 1024
THREADS = "ANYRANK_THREADS"
"""Environment: threads of a model's session."""
SPIN = "ANYRANK_SPIN"
"""Environment: "0" lets the threads of a session sleep while they wait, which costs a tenth of the speed alone and
gains half where cores are shared."""


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """The output of one batch: rows of ``values``, their ``positions`` in the input, and the mask of real tokens."""

    positions: Ints
    values: NDArray[np.float32]
    mask: Ints


@dataclass(slots=True)
class Cost:
    """Real tokens of every text and whether it was cut, filled in as the batches run."""

    tokens: Ints
    cut: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A session and a tokenizer. ``budget`` bounds rows x padded length of a batch, and so the memory of a run."""

    session: Any
    tokenizer: Any
    inputs: tuple[str, ...]
    output: str
    max_length: int
    budget: int = MAX_TOKENS
    pad: int = 0

    def run(self, texts: Sequence[Text]) -> tuple[Cost, Iterator[Output]]:
        """The cost, complete once all outputs are read, and the outputs, in no order."""
        cost = Cost(np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_))
        return cost, self._outputs(texts, cost)

    def _outputs(self, texts: Sequence[Text], cost: Cost) -> Iterator[Output]:
        for part in slices(texts):
            short = [shortened(texts[i], self.max_length) for i in part]
            encodings = self.tokenizer.encode_batch_fast([text for text, _ in short])
            lengths = [max(len(e), 1) for e in encodings]
            cost.tokens[part.start : part.stop] = [len(e) for e in encodings]
            cost.cut[part.start : part.stop] = [cut or bool(e.overflowing) for e, (_, cut) in zip(encodings, short)]
            for positions in cuts(lengths, self.budget):
                batch = padded(encodings, positions, self.pad)
                yield Output(batch.positions + part.start, self.forward(batch), batch.mask)

    def tokens(self, text: str, prefix: str = "") -> list[tuple[str, int, int]]:
        """The tokens of a text as a run reads it, each with its span in the text without the prefix."""
        short, _ = shortened(prefix + text, self.max_length)
        encoding, before = self.tokenizer.encode(short), len(prefix)
        return [(t, max(a - before, 0), max(b - before, 0)) for t, (a, b) in zip(encoding.tokens, encoding.offsets)]

    def forward(self, batch: Batch) -> NDArray[np.float32]:
        """The model's output for one batch."""
        arrays = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        values: NDArray[np.float32] = self.session.run([self.output], {n: arrays[n] for n in self.inputs})[0]
        return values


def _threads() -> int:
    """The threads of a session: what the environment states, else the processors that this process may use."""
    if (stated := os.environ.get(THREADS, "")).isdigit() and int(stated) > 0:
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def engine(declared: Declared, threads: int | None, max_tokens: int, max_length: int | None) -> Engine:
    """The engine of a declared model."""
    if max_tokens < 1 or (max_length is not None and max_length < 3):
        raise InputError(f"max_tokens={max_tokens}, max_length={max_length}: at least 1 and 3 tokens")
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as native
    from tokenizers import Tokenizer

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or _threads()
    if os.environ.get(SPIN) == "0":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    faults = (native.Fail, native.InvalidGraph, native.InvalidProtobuf, native.NotImplemented, native.NoSuchFile)
    try:
        session = ort.InferenceSession(
            str(declared.onnx),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # several times slower than the two nodes it replaces
        )
    except faults as error:
        raise ModelError(f"{declared.onnx}: onnxruntime can't load it: {error}") from error
    inputs = tuple(i.name for i in session.get_inputs())
    if unknown := set(inputs) - {"input_ids", "attention_mask", "token_type_ids"}:
        raise ModelError(f"{declared.onnx}: unknown inputs {sorted(unknown)}: expected input_ids, attention_mask")
    try:
        tokenizer = Tokenizer.from_file(str(declared.tokenizer))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{declared.tokenizer}: tokenizers can't read it: {error}") from error
    pad = next((i for t in ("[PAD]", "<pad>") if (i := tokenizer.token_to_id(t)) is not None), 0)
    tokenizer.no_padding()
    length = min(max_length or declared.max_length, declared.max_length)
    tokenizer.enable_truncation(length)
    names = [o.name for o in session.get_outputs()]
    first = next((n for n in ("sentence_embedding", "logits", "last_hidden_state") if n in names), names[0])
    return Engine(session, tokenizer, inputs, first, length, max_tokens, pad)
