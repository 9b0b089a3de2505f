"""BERT encoders written straight from their tensors as ONNX graphs with int8 weights (numpy and onnx, no torch).

Design choices, each measured (see the cards of the shipped weights):

- Weights are int8 with one scale an output column, embeddings int8 with one scale a row; symmetric.
- No scale depends on the batch. Dynamic quantisation takes one scale of activations over the whole batch, padding
  included, so a text's vector changes with its neighbours (MiniLM on 120 Cranfield abstracts, alone against in batches:
  least cosine .990, another top 10 for 18 of 20 queries). Here what follows GELU has one scale a token, and all other
  activations have fixed scales, found once on sample texts (least cosine .9999999, the same top 10 for all 20).
- Before a fixed scale, channels are evened out: channel j is divided by top_j^.7 / max |W_j|^.3 and the weights' row j
  multiplied by it (SmoothQuant, arXiv 2211.10438). For the attention's output this folds into the value layer, by
  sqrt(top_j). top_j leaves out the largest thousandth of a channel's values, which saturate.
- GELU is never below -.17, so its output is shifted to start at 0 and uses all 256 steps; the shift is taken out in the
  bias.
- LayerNorm, GELU, softmax and attention's own products stay in float32.
- The vocabulary projection of SPLADE runs one text at a time and takes the maximum over positions of the integer
  products, so that no [batch, length, vocabulary] array is ever made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
MS = "com.microsoft"
EPS = 1e-12
CHUNKS = 15
GELU_LOW = 0.17
OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)]


def int8_columns(w: Array) -> tuple[NDArray[np.int8], Array]:
    """w [k, n] as int8, and the n scales that give it back."""
    scale = (np.maximum(np.abs(w).max(axis=0), 1e-12) / 127).astype(np.float32)
    return np.clip(np.rint(w / scale), -127, 127).astype(np.int8), scale


def divisors(top: Array, rows: Array | None = None) -> Array:
    """Divisors [k] of channels by their largest values ``top`` [k], and by those of their rows of weights if given,
    which bring all channels near one scale; the largest top / divisor is 1."""
    root = np.sqrt(np.maximum(top, 1e-3)) if rows is None else np.maximum(top, 1e-3) ** 0.7 / rows**0.3
    return (root * np.max(top / root)).astype(np.float32)


@dataclass
class Bert:
    """A graph in the making; every method returns the name of what it computes.

    ``tops`` holds the largest absolute values of the channels of each linear layer's input, by layer; without them the
    graph is float32, and ``taps`` names these inputs so that they can be measured.
    """

    weights: dict[str, Array]
    layers: int
    heads: int
    prefix: str = ""
    tops: Mapping[str, Array] | None = None
    pair: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    taps: dict[str, str] = field(default_factory=dict)

    def constant(self, name: str, value: Any) -> str:
        """A tensor stored in the graph."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def number(self, value: float, kind: type = np.float32) -> str:
        """A stored number; equal ones are stored once."""
        name = f"{kind.__name__}_{value}"
        self.constants[name] = numpy_helper.from_array(np.array(value, dtype=kind), name)
        return name

    def ints(self, *values: int) -> str:
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """A node of an ONNX operator with one output."""
        out = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], out, **attributes))
        return out

    def norm(self, x: str, name: str) -> str:
        """The LayerNorm ``name`` of x."""
        gamma, beta = (self.constant(f"{name}.{p}", self.weights[f"{name}.{p}"]) for p in ("weight", "bias"))
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=EPS)

    def linear(self, x: str, *names: str, fixed: bool = True) -> list[str]:
        """Linear layers on the same rows x [tokens, k]; their input has a fixed scale, or one a token."""
        self.taps[names[0]] = x
        if self.tops is None:
            return [self._bias(self.op("MatMul", x, self.constant(f"{n}.weight", self._matrix(n))), n) for n in names]
        if not fixed:
            return [self._by_token(x, n) for n in names]
        top, divisor = self.tops[names[0]], None
        # even out channels: the input is divided, the rows of weights are multiplied, and the product stays the same
        if not names[0].endswith("attention.output.dense"):  # there the value layer has divided already
            divisor = divisors(top, np.abs([self._matrix(n) for n in names]).max(axis=(0, 2)))
            x = self.op("Mul", x, self.constant(f"{names[0]}.even", 1 / divisor))
        scale_in = float(np.float32((1.0 if divisor is not None else float(np.max(top))) / 127))
        # unsigned bytes around 128, since processors multiply unsigned by signed bytes (VNNI)
        q = self.op("QuantizeLinear", x, self.number(scale_in), self.number(128, np.uint8))
        return [
            self._product(q, n, scale_in, divisor, self.constant(f"{n}.bias", self.weights[f"{n}.bias"])) for n in names
        ]

    def _matrix(self, name: str) -> Array:
        return np.ascontiguousarray(self.weights[f"{name}.weight"].T)

    def _bias(self, x: str, name: str) -> str:
        return self.op("Add", x, self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))

    def _product(self, q: str, name: str, scale: float, divisor: Array | None = None, bias: str = "") -> str:
        w = self._matrix(name)
        w8, columns = int8_columns(w if divisor is None else w * divisor[:, None])
        weight, by = self.constant(f"{name}.weight", w8), self.constant(f"{name}.scale", columns)
        zero = self.number(128, np.uint8)
        return self.op("MatMulIntegerToFloat", q, weight, self.number(scale), by, zero, "", bias, domain=MS)

    def _by_token(self, x: str, name: str) -> str:
        """The linear layer ``name`` on the output x [tokens, k] of a GELU, with one scale a token."""
        x = self.op("Add", x, self.number(GELU_LOW))  # GELU's least value becomes 0, so that all 256 steps are used
        scale = self.op("Mul", self.op("ReduceMax", x, self.ints(1), keepdims=1), self.number(1 / 255))
        flat = self.op("Squeeze", scale, self.ints(1))
        low = helper.make_tensor("low", TensorProto.UINT8, [1], [0])
        zeros = self.op("ConstantOfShape", self.op("Shape", flat), value=low)
        q = self.op("QuantizeLinear", x, flat, zeros, axis=0)
        w8, columns = int8_columns(self._matrix(name))
        weight, by = self.constant(f"{name}.weight", w8), self.constant(f"{name}.scale", columns)
        zero, one = self.number(0, np.uint8), self.number(1.0)
        product = self.op("MatMulIntegerToFloat", q, weight, one, by, zero, domain=MS)
        # the shift of every input adds times the sum of each column: it is taken out of the bias
        bias = self.weights[f"{name}.bias"] - GELU_LOW * columns * w8.sum(axis=0, dtype=np.float32)
        return self.op("Add", self.op("Mul", product, scale), self.constant(f"{name}.bias", bias))

    def embeddings(self) -> str:
        """Word, position and segment embeddings, normed: [batch, length, width]."""
        e = f"{self.prefix}embeddings."
        words = self.weights[f"{e}word_embeddings.weight"]
        if self.tops is None:
            x = self.op("Gather", self.constant("words", words), "input_ids")
        else:
            divisor = divisors(self.tops["decoder"]) if "decoder" in self.tops else None  # one table for both ends
            w8, rows = int8_columns((words if divisor is None else words * divisor).T)
            table = self.constant("words", w8.T)
            x = self.op("Cast", self.op("Gather", table, "input_ids"), to=TensorProto.FLOAT)
            x = self.op("Mul", x, self.op("Gather", self.constant("words.scale", rows[:, None]), "input_ids"))
            x = x if divisor is None else self.op("Mul", x, self.constant("words.even", 1 / divisor))
        positions, segments = (self.weights[f"{e}{n}_embeddings.weight"] for n in ("position", "token_type"))
        half = self.constant("positions", (positions if self.pair else positions + segments[0]).astype(np.float16))
        table = self.op("Cast", half, to=TensorProto.FLOAT)
        length = self.op("Shape", "input_ids", start=1, end=2)
        x = self.op("Add", x, self.op("Slice", table, self.ints(0), length, self.ints(0)))
        if self.pair:
            x = self.op("Add", x, self.op("Gather", self.constant("segments", segments), "token_type_ids"))
        return self.norm(x, f"{e}LayerNorm")

    def encoder(self) -> tuple[str, str]:
        """The last hidden states [tokens, width], and the shape [batch, length, width]."""
        x = self.embeddings()
        width = self.weights[f"{self.prefix}embeddings.word_embeddings.weight"].shape[1]
        shape = self.op("Shape", x)
        x = self.op("Reshape", x, self.ints(-1, width))
        # the attention masks keys by each text's length: padding is always on the right
        lengths = self.op("ReduceSum", "attention_mask", self.ints(1), keepdims=0)
        lengths = self.op("Cast", lengths, to=TensorProto.INT32)
        for i in range(self.layers):
            a = f"{self.prefix}encoder.layer.{i}."
            if self.tops is not None:
                self._even_values(f"{a}attention.self.value", f"{a}attention.output.dense")
            qkv = self.linear(x, *(f"{a}attention.self.{n}" for n in ("query", "key", "value")))
            qkv = [self.op("Reshape", t, shape) for t in qkv]
            c = self.op("MultiHeadAttention", *qkv, "", lengths, domain=MS, num_heads=self.heads)
            (c,) = self.linear(self.op("Reshape", c, self.ints(-1, width)), f"{a}attention.output.dense")
            x = self.norm(self.op("Add", c, x), f"{a}attention.output.LayerNorm")
            (m,) = self.linear(x, f"{a}intermediate.dense")
            (m,) = self.linear(self.op("Gelu", m, domain=MS), f"{a}output.dense", fixed=False)
            x = self.norm(self.op("Add", m, x), f"{a}output.LayerNorm")
        return x, shape

    def _even_values(self, value: str, output: str) -> None:
        """The channels of the attention's output evened out at the value layer, which costs no node: attention mixes
        tokens, not channels, so its output has the value layer's divisors and the output layer multiplies by them."""
        top, w = self.tops[output], self.weights  # type: ignore[index]
        d = divisors(top)
        self.weights = w | {
            f"{value}.weight": w[f"{value}.weight"] / d[:, None],
            f"{value}.bias": w[f"{value}.bias"] / d,
            f"{output}.weight": w[f"{output}.weight"] * d,
        }
        self.tops = {**self.tops, output: top / d}  # type: ignore[dict-item]

    def mean(self) -> str:
        """Unit vectors [batch, width]: the mean over real tokens."""
        x, shape = self.encoder()
        mask = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(2)), to=TensorProto.FLOAT)
        total = self.op("ReduceSum", self.op("Mul", self.op("Reshape", x, shape), mask), self.ints(1), keepdims=0)
        return self.op("LpNormalization", total, axis=-1, p=2, out="vectors")

    def splade(self, head: str = "cls.predictions.") -> str:
        """Term weights [batch, vocabulary]: log(1 + relu(max over positions))."""
        x, shape = self.encoder()
        (x,) = self.linear(x, f"{head}transform.dense")
        x = self.norm(self.op("Gelu", x, domain=MS), f"{head}transform.LayerNorm")
        self.taps["decoder"] = x
        bias = self.constant("decoder.bias", self.weights[f"{head}bias"])
        if self.tops is None:
            logits = self.op("MatMul", self.op("Reshape", x, shape), self.op("Transpose", "words", perm=[1, 0]))
            mask = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(2)), to=TensorProto.FLOAT)
            off = self.op("Mul", self.op("Sub", mask, self.number(1.0)), self.number(1e9))
            best = self.op("ReduceMax", self.op("Add", logits, off), self.ints(1), keepdims=0)
        else:
            d = divisors(self.tops["decoder"])
            x = self.op("Mul", x, self.constant("decoder.even", 1 / d))
            q = self.op("QuantizeLinear", x, self.number(1 / 127), self.number(128, np.uint8))
            q = self.op("Reshape", q, shape)
            first = self.op("Slice", q, self.ints(0), self.ints(1), self.ints(1))
            real = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(2)), to=TensorProto.BOOL)
            q = self.op("Where", real, q, first)  # padding repeats [CLS], so it never wins a maximum
            parts = [f"decoder_{i}" for i in range(CHUNKS)]  # each part's products fit in the processor's cache
            columns = self.op("Transpose", "words", perm=[1, 0])
            self.nodes.append(helper.make_node("Split", [columns], parts, "parts", axis=1, num_outputs=CHUNKS))
            zero, axis, body = self.number(128, np.uint8), self.ints(0), []
            for part in parts:
                body.append(helper.make_node("MatMulInteger", ["row", part, zero], [f"{part}_sums"]))
                body.append(helper.make_node("ReduceMax", [f"{part}_sums", axis], [f"{part}_top"], keepdims=0))
            body.append(helper.make_node("Concat", [f"{part}_top" for part in parts], ["top"], axis=0))
            ends = [helper.make_tensor_value_info("row", TensorProto.UINT8, None)]
            tops = [helper.make_tensor_value_info("top", TensorProto.INT32, None)]
            # one text at a time, so that no [batch, length, vocabulary] array is made
            best = self.op("Scan", q, body=helper.make_graph(body, "text", ends, tops), num_scan_inputs=1)
            scale = self.op("Mul", self.op("Squeeze", "words.scale", self.ints(1)), self.number(1 / 127))
            best = self.op("Mul", self.op("Cast", best, to=TensorProto.FLOAT), scale)
        positive = self.op("Relu", self.op("Add", best, bias))
        return self.op("Log", self.op("Add", positive, self.number(1.0)), out="weights")

    def classify(self) -> str:
        """Logits [batch, labels] from [CLS] by the pooler and the classifier, both float32."""
        x, shape = self.encoder()
        first = self.op("Gather", self.op("Reshape", x, shape), self.number(0, np.int64), axis=1)
        for name in (f"{self.prefix}pooler.dense", "classifier"):
            weight, bias = (self.constant(f"{name}.{p}", self.weights[f"{name}.{p}"]) for p in ("weight", "bias"))
            first = self.op("Gemm", first, weight, bias, transB=1, out="logits" if name == "classifier" else "")
            first = first if name == "classifier" else self.op("Tanh", first)
        return first

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """The finished graph with these outputs."""
        names = ["input_ids", "attention_mask", *(["token_type_ids"] if self.pair else [])]
        ins = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in names]
        outs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        graph = helper.make_graph(self.nodes, "bert", ins, outs, list(self.constants.values()))
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=10, producer_name="anyrank")
