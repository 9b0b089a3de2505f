"""Any encoder as an ONNX graph with int8 weights: torch's exporter writes it in float32, and this file replaces its
linear layers and embedding tables. (`bert_graph` writes a BERT's by hand, which runs faster.)

Design choices:

- Weights are int8 with one scale an output column, embeddings int8 with one scale a row, symmetric.
- Activations get one scale a token, found as the graph runs. onnxruntime's own dynamic quantisation takes one scale
  over a whole batch, padding included: a text's score would change with the other texts, and lose more precision.
- Products of activations with each other (attention) and the last, small head stay in float32.
- The exporter is torch's older one (TorchScript): on BERT, DistilBERT, RoBERTa, XLM-R, ModernBERT and MPNet its graphs
  give the same numbers (6e-6) as those of the newer one (dynamo), which takes ten times as long and the package
  onnxscript. optimum-onnx 0.1.0 doesn't import beside transformers 5.23.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .bert_graph import int8_columns

OPSET = 18
LEAST = 1024
"""The size of the smallest weight that is stored as int8."""


class Named(nn.Module):  # type: ignore[misc,unused-ignore]
    """A function of a model and its inputs as a module, for the exporter."""

    def __init__(self, model: nn.Module, function: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.function, self.names = model, function, tuple(names)

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.function(dict(zip(self.names, inputs)))
        return out


def float_graph(model: nn.Module, function: Any, inputs: dict[str, Tensor], output: str) -> onnx.ModelProto:
    """The float32 graph of ``function``, which maps inputs [batch, length] by name to a tensor, over a model in
    evaluation mode on the CPU."""
    file: Any = io.BytesIO()
    module = Named(model, function, list(inputs)).eval()
    axes = {name: {0: "batch", 1: "length"} for name in inputs} | {output: {0: "batch"}}
    with warnings.catch_warnings():  # deprecated, and traced constants (see above; the graph is checked afterwards)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            file,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def int8_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with int8 weights in its linear layers (MatMul of activations with a constant) and embedding
    tables (Gather of a constant's rows)."""
    return _Rewrite(graph).apply()


@dataclass
class _Rewrite:
    """A graph, and the nodes and constants that replace its own."""

    graph: onnx.ModelProto
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    quantised: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The int8 form of each activation, and its scales: layers on the same input share them."""

    def apply(self) -> onnx.ModelProto:
        inner = self.graph.graph
        weights = {t.name: t for t in inner.initializer if t.data_type == TensorProto.FLOAT}
        for node in inner.node:
            # Large float constants among the inputs: a linear layer has one on its right, a table one that is gathered.
            large = [i for i in node.input if i in weights and np.prod(weights[i].dims) >= LEAST]
            if node.op_type == "MatMul" and large == [node.input[1]] and len(weights[large[0]].dims) == 2:
                self._linear(node, numpy_helper.to_array(weights[large[0]]))
            elif (
                node.op_type == "Gather"
                and large == [node.input[0]]
                and len(weights[large[0]].dims) == 2
                and not _axis(node)
            ):
                self._table(node, numpy_helper.to_array(weights[large[0]]))
            else:
                self.nodes.append(node)
        used = {i for node in self.nodes for i in node.input} | {o.name for o in inner.output}
        remaining = [t for t in inner.initializer if t.name in used]
        del inner.node[:], inner.initializer[:], inner.value_info[:]
        inner.node.extend(self.nodes)
        inner.initializer.extend([*remaining, *self.constants.values()])
        return self.graph

    def _constant(self, name: str, value: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        out = out or f"int8_{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], out, **attributes))
        return out

    def _linear(self, node: onnx.NodeProto, weight: NDArray[np.float32]) -> None:
        """x [..., k] times a weight [k, n]: products of whole numbers, which are exact, times the scales of both."""
        x, name = node.input
        if x not in self.quantised:
            self.quantised[x] = self._by_token(x)
        q, scale = self.quantised[x]
        whole, columns = int8_columns(weight)
        w8 = self._constant(f"{name}.int8", whole)
        zero = self._constant("int8.128", np.array(128, np.uint8))
        sums = self._op("MatMulInteger", q, w8, zero)
        product = self._op("Mul", self._op("Cast", sums, to=TensorProto.FLOAT), scale)
        self._op("Mul", product, self._constant(f"{name}.columns", columns), out=node.output[0])

    def _by_token(self, x: str) -> tuple[str, str]:
        """x as unsigned bytes around 128 (processors multiply unsigned by signed bytes), and its scales [..., 1]."""
        top = self._op("ReduceMax", self._op("Abs", x), self._constant("int8.last", np.array([-1])), keepdims=1)
        top = self._op("Max", top, self._constant("int8.tiny", np.array(1e-12, np.float32)))
        scale = self._op("Mul", top, self._constant("int8.step", np.array(1 / 127, np.float32)))
        steps = self._op("Round", self._op("Div", x, scale))
        shifted = self._op("Add", steps, self._constant("int8.middle", np.array(128, np.float32)))
        return self._op("Cast", shifted, to=TensorProto.UINT8), scale

    def _table(self, node: onnx.NodeProto, table: NDArray[np.float32]) -> None:
        """Rows of an embedding table [words, width], each with its scale."""
        name, ids = node.input
        whole, scales = int8_columns(np.ascontiguousarray(table.T))
        rows = self._op("Gather", self._constant(f"{name}.int8", whole.T), ids)
        by = self._op("Gather", self._constant(f"{name}.rows", scales[:, None]), ids)
        self._op("Mul", self._op("Cast", rows, to=TensorProto.FLOAT), by, out=node.output[0])


def _axis(node: onnx.NodeProto) -> int:
    """The axis that a node works along; 0 if it states none."""
    return next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
