"""Calibration: the largest inputs of each linear layer on sample texts, from which the int8 graph's scales follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from ..backends.onnx.batching import Text, padded
from .bert_graph import Bert


def tops(
    bert: Bert, model: onnx.ModelProto, tokenizer: Path, sample: Sequence[Text], length: int = 256
) -> dict[str, np.ndarray]:
    """The .999 quantile of |x| of each channel of each tapped activation, over 32 tokens of each sample text (or pair),
    which is cut to ``length`` tokens.

    Of the vocabulary projection's input the maximum, since its scale must hold for all texts without saturating.
    """
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    reader.no_padding()
    reader.enable_truncation(length)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    values_of: dict[str, list[np.ndarray]] = {tap: [] for tap in bert.taps}
    for text in sample:
        batch = padded([reader.encode(*text) if isinstance(text, tuple) else reader.encode(text)], [0], 0)
        arrays = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        values = session.run(list(bert.taps.values()), {i.name: arrays[i.name] for i in session.get_inputs()})
        for tap, value in zip(bert.taps, values):
            value = np.abs(value)
            sample_of = value.max(axis=0, keepdims=True) if tap == "decoder" else rng.permutation(value)[:32]
            values_of[tap].append(sample_of.astype(np.float16))
    quantile = {tap: 1.0 if tap == "decoder" else 0.999 for tap in values_of}
    return {t: np.quantile(np.concatenate(v).astype(np.float32), quantile[t], axis=0) for t, v in values_of.items()}
