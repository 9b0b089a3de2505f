"""SequenceMemory: a decoder over any encoder writes identifiers token by token, within a trie: DSI (arXiv 2202.06991),
and with ``prefix_aware`` NCI (arXiv 2206.02743).

Design choices: the encoder is any transformers encoder (a T5's, whose decoder then comes along, or a BERT, over which
the decoder is fresh); the decoder is T5's, with tokens of identifiers as its only words; an identifier's score is the
sum of the log-probabilities of its tokens, its end counted in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.trace import Usage
from ...index.trie import PAD, Trie, beam_search, closed
from ..parts.ragged import longer, run_body
from .base import Results

DECODER, CODES, WEIGHTS = "decoder.json", "identifiers.npy", "model.safetensors"
ROWS = 512
"""Prefixes that the decoder reads at once."""


class SequenceMemory(nn.Module):  # type: ignore[misc,unused-ignore]
    """Log-probabilities of identifiers. ``identifiers`` are the tokens of each document, distinct (`index.trie`);
    ``shape`` are settings of the decoder's T5Config (d_ff, num_heads, num_layers, dropout_rate).

    ``prefix_aware``: the weights of the output depend on the prefix, which an adaptive decoder of one layer reads: a
    token's logit is state * (1 + a(prefix)) times its embedding, where NCI has a full matrix in place of the diagonal.
    """

    codes: Tensor
    encoder: Any
    decoder: Any

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        identifiers: Sequence[Sequence[int]],
        max_length: int = 64,
        prefix_aware: bool = False,
        shape: Mapping[str, Any] | None = None,
        decoder: Any = None,
    ) -> None:
        super().__init__()
        self.encoder, self.tokenizer, self.max_length = encoder, tokenizer, max_length
        self.prefix_aware = prefix_aware
        codes = closed(identifiers)
        self.identifiers = [list(map(int, tokens)) for tokens in identifiers]
        self.trie = Trie.of(self.identifiers)
        self.register_buffer("codes", torch.from_numpy(codes.astype(np.int64)), persistent=False)
        words = int(codes.max(initial=1)) + 1
        width = int(encoder.config.hidden_size)
        self.shape = dict(shape or {})
        self.decoder = _stack(words, width, self.shape) if decoder is None else decoder
        self.decoder.set_input_embeddings(nn.Embedding(words, width))
        self.head = nn.Linear(width, words, bias=False)
        if prefix_aware:
            self.adaptive = _stack(words, width, {**self.shape, "num_layers": 1})
            self.gate = nn.Linear(width, width)
            nn.init.zeros_(self.gate.weight)  # begins as the plain decoder
            nn.init.zeros_(self.gate.bias)

    @classmethod
    def start(
        cls,
        name: str | Path,
        identifiers: Sequence[Sequence[int]],
        max_length: int = 64,
        prefix_aware: bool = False,
        shape: Mapping[str, Any] | None = None,
    ) -> SequenceMemory:
        """A model that begins as a T5 (both its encoder and its decoder) or as any encoder (under a fresh decoder) of a
        folder."""
        from transformers import AutoConfig, AutoModel, AutoTokenizer, T5Model

        config = AutoConfig.from_pretrained(name)
        tokenizer = AutoTokenizer.from_pretrained(name)
        if config.model_type != "t5":
            encoder = AutoModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
            return cls(encoder, tokenizer, identifiers, max_length, prefix_aware, shape)
        t5 = T5Model.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
        names = ("d_ff", "d_kv", "num_heads", "dropout_rate", "feed_forward_proj", "layer_norm_epsilon")
        shape = {n: getattr(config, n) for n in names} | {"num_layers": config.num_decoder_layers}
        return cls(t5.encoder, tokenizer, identifiers, max_length, prefix_aware, shape, t5.decoder)

    @property
    def documents(self) -> int:
        return len(self.identifiers)

    def inputs(self, texts: Sequence[str]) -> dict[str, Any]:
        return dict(
            self.tokenizer(list(texts), truncation=True, max_length=self.max_length, padding=True, return_tensors="pt")
        )

    def read(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The encoder's states [texts, tokens, width]."""
        states: Tensor = run_body(self.encoder, inputs).last_hidden_state
        return states

    def logits(self, prefixes: Tensor, states: Tensor, real: Tensor) -> Tensor:
        """Logits [texts, t, words] of the token after each position of prefixes [texts, t], which begin with PAD;
        ``real`` [texts, tokens] is 1 at real tokens of the texts."""
        seen = {"input_ids": prefixes, "encoder_hidden_states": states, "encoder_attention_mask": real}
        hidden = self.decoder(**seen, use_cache=False).last_hidden_state
        if self.prefix_aware:
            hidden = hidden * (1 + self.gate(self.adaptive(**seen, use_cache=False).last_hidden_state))
        logits: Tensor = self.head(hidden).float()
        return logits

    def loss(self, targets: Tensor, **inputs: Any) -> Tensor:
        answers = self.codes[targets]
        prefixes = nn.functional.pad(answers[:, :-1], (1, 0), value=PAD)
        logits = self.logits(prefixes, self.read(inputs), inputs["attention_mask"])
        each = nn.functional.cross_entropy(logits.transpose(1, 2), answers, ignore_index=PAD, reduction="none")
        return each.sum(1).mean()

    def scores(self, texts: Sequence[str]) -> Tensor:
        """Log-probabilities [texts, documents] of every identifier: what a beam of all documents finds."""
        inputs = {k: v.to(self.codes.device) for k, v in self.inputs(texts).items()}
        prefixes = nn.functional.pad(self.codes[:, :-1], (1, 0), value=PAD)
        with torch.inference_mode():
            states, rows = self.read(inputs), []
            for text, real in zip(states, inputs["attention_mask"]):
                n = self.documents
                logits = self.logits(prefixes, text.expand(n, -1, -1), real.expand(n, -1)).log_softmax(2)
                each = logits.gather(2, self.codes[..., None]).squeeze(2)
                rows.append((each * (self.codes != PAD)).sum(1))
        return torch.stack(rows)

    def search(self, texts: Sequence[str], k: int, beam: int, allowed: NDArray[np.bool_]) -> Results:
        inputs = self.inputs(texts)
        device = self.codes.device
        on_device = {name: x.to(device) for name, x in inputs.items()}
        real, written = on_device["attention_mask"], np.zeros(len(texts), dtype=np.int64)
        with torch.inference_mode():
            states = self.read(on_device)

            def step(queries: NDArray[np.int64], prefixes: NDArray[np.int64]) -> NDArray[np.float64]:
                np.add.at(written, queries, 1)
                parts = []
                for start in range(0, len(queries), ROWS):
                    q = torch.from_numpy(queries[start : start + ROWS]).to(device)
                    tokens = torch.from_numpy(prefixes[start : start + ROWS]).to(device)
                    parts.append(self.logits(tokens, states[q], real[q])[:, -1].log_softmax(1).double().cpu().numpy())
                return np.concatenate(parts)

            best = beam_search(self.trie, step, len(texts), beam, k, allowed)
        cut = longer(self.tokenizer, list(texts), None, self.max_length)
        tokens = inputs["attention_mask"].sum(1).tolist()
        return best, [Usage(1, n, int(w), truncated=int(c)) for n, w, c in zip(tokens, written, cut)]

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        settings = {"max_length": self.max_length, "prefix_aware": self.prefix_aware, "shape": self.shape}
        (folder / DECODER).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        np.save(folder / CODES, self.codes.cpu().numpy())
        save_file({k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def from_folder(cls, folder: Path) -> SequenceMemory:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel, AutoTokenizer
        from transformers.models.t5.modeling_t5 import T5Stack

        settings = json.loads((folder / DECODER).read_text(encoding="utf-8"))
        config = AutoConfig.from_pretrained(folder)
        make: Any = T5Stack if config.model_type == "t5" else AutoModel.from_config
        encoder = make(config)
        codes = np.load(folder / CODES)
        identifiers = [row[: int(np.argmax(row == 1))].tolist() for row in codes]
        model = cls(encoder, AutoTokenizer.from_pretrained(folder), identifiers, **settings)
        model.load_state_dict(load_file(folder / WEIGHTS))
        return model


def _stack(words: int, width: int, shape: Mapping[str, Any]) -> Any:
    """A fresh decoder of T5 with its own embeddings of ``words`` tokens."""
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Stack

    usual = {"d_ff": 4 * width, "d_kv": 32, "num_heads": max(width // 32, 1), "num_layers": 2}
    settings = {**usual, **shape, "vocab_size": words, "d_model": width, "is_decoder": True, "use_cache": False}
    return T5Stack(T5Config(**settings))
