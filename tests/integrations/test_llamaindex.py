"""LlamaIndex' own nodes go in and come out; skipped where the package is absent."""

import pytest

pytest.importorskip("llama_index.core")
from llama_index.core.schema import NodeWithScore, TextNode

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.integrations.llamaindex import Reranker, Retriever


def test_reranker():
    nodes = [NodeWithScore(node=TextNode(text=t), score=1.0) for t in ("Lyon is large.", "Paris is the capital.")]
    out = Reranker(pipeline="tiny").postprocess_nodes(nodes, query_str="capital of France")
    assert [n.node for n in out] == [nodes[1].node, nodes[0].node]
    assert out[0].score > out[1].score
    with pytest.raises(ValueError, match="needs a query"):
        Reranker(pipeline="tiny").postprocess_nodes(nodes)
    assert Reranker.class_name() == "AnyrankReranker"


def test_retriever(tmp_path):
    build([Candidate("a", "wings lift", meta={"year": 1}), Candidate("b", "soup")], tmp_path / "i")
    (node,) = Retriever(str(tmp_path / "i")).retrieve("wings")
    assert (node.node.node_id, node.node.text, node.node.metadata) == ("a", "wings lift", {"year": 1})
