"""LlamaIndex' own nodes go in and come out; skipped where the package is absent."""

import asyncio

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
    retriever = Retriever(str(tmp_path / "i"))
    (node,) = retriever.retrieve("wings")
    assert (node.node.node_id, node.node.text, node.node.metadata) == ("a", "wings lift", {"year": 1})
    assert [n.node.node_id for n in asyncio.run(retriever.aretrieve("wings"))] == ["a"]


def test_the_same_node_twice_none_and_too_many():
    reranker = Reranker(pipeline="tiny", top_n=9)
    assert reranker.postprocess_nodes([], query_str="q") == []
    node = NodeWithScore(node=TextNode(text="日本 🙂", metadata={"x": None}))
    out = asyncio.run(reranker.apostprocess_nodes([node, node, node], query_str="日本"))
    assert [n.node for n in out] == [node.node] * 3
    assert Reranker.from_dict(reranker.to_dict()).top_n == 9
