"""A retriever as a module of DSPy; skipped where the package is absent."""

import asyncio
import copy
import pickle

import pytest

pytest.importorskip("dspy")
import dspy

import anyrank as ar
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.integrations.dspy import Retriever


def test_retriever(tmp_path):
    build([Candidate("a", "wings lift", meta={"year": 1}), Candidate("b", "soup 🙂")], tmp_path / "i")
    search = Retriever(str(tmp_path / "i"), k=1)
    found = search("wings")
    assert (found.passages, found.ids, found.metadata) == (["wings lift"], ["a"], [{"year": 1}])
    assert len(found.scores) == 1
    assert search(query="nothing at all", k=9).passages == []
    assert Retriever(str(tmp_path / "i"), filter={"year": 2})("wings").passages == []
    with pytest.raises(ar.InputError, match="k=0"):
        search("wings", k=0)

    async def many():
        return await asyncio.gather(*(search.acall(q) for q in ["wings", "soup"] * 8))

    assert [p.ids for p in asyncio.run(many())] == [["a"], ["b"]] * 8
    for again in (copy.deepcopy(search), pickle.loads(pickle.dumps(search))):
        assert again("soup").passages == ["soup 🙂"]

    class Program(dspy.Module):
        def __init__(self):
            super().__init__()
            self.search = search

        def forward(self, question):
            return dspy.Prediction(answer=self.search(question).passages[0])

    assert Program()(question="lift").answer == "wings lift"
    assert Program().deepcopy()(question="lift").answer == "wings lift"
