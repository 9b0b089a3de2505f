"""A model whose folder is removed while a server serves it: once opened it answers on, else an error says why."""

import shutil

import pytest

from anyrank.core.types import Candidate
from anyrank.hub.registry import resolve
from anyrank.index.build import build
from anyrank.pipeline.parser import parse
from anyrank.serve.app import Server
from anyrank.serve.run import Options, service
from anyrank.serve.service import Service

BODY = {"query": "capital of France", "documents": ["Lyon", "Paris is the capital of France"]}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(resolve("minilm"), tmp_path / "model")


def test_answers_stay_the_same_after_the_folder_is_removed(folder, serving):
    name = str(folder)
    stages = {"ranker": parse(f"model({name!r})", starts=False)}
    requests = [
        ("/v2/rerank", BODY),
        ("/v2/rerank", {**BODY, "model": name}),
        ("/v1/embeddings", {"input": ["a dog"]}),
        ("/v1/embeddings", {"input": ["a dog"], "model": name}),
        ("/v2/embed", {"texts": ["a dog"], "input_type": "search_query", "embedding_types": ["float"]}),
    ]
    with serving(Server(Service(stages, embed=name, allow=(name,)))) as client:

        def answers():
            sent = [client(path, body) for path, body in requests]
            assert [status for status, *_ in sent] == [200] * len(requests)
            return [{k: v for k, v in answer.items() if k != "id"} for _, answer, _ in sent]

        before = answers()
        shutil.rmtree(folder)
        assert answers() == before
        assert client("/ready")[0] == 200


def test_a_model_that_was_not_opened_before_is_a_stated_error_and_the_others_answer(folder, serving):
    name = str(folder)
    with serving(Server(Service({"mini": parse("mini", starts=False)}, allow=(name,)))) as client:
        shutil.rmtree(folder)
        for path, body in (("/v2/rerank", {**BODY, "model": name}), ("/v1/embeddings", {"input": "a", "model": name})):
            status, answer, _ = client(path, body)
            assert (status, "no model" in answer["message"]) == (503, True)
        assert client("/v2/rerank", BODY)[1]["results"][0]["index"] == 1
        assert client("/health")[0] == 200


def test_a_search_goes_on_and_with_a_filter_says_what_is_missing(folder, serving, tmp_path):
    build([Candidate(str(i), t, meta={"year": 1990 + i}) for i, t in enumerate(BODY["documents"])], tmp_path / "index")
    options = Options((f"bm25 % 10 >> model({str(folder)!r})",), index=str(tmp_path / "index"))
    with serving(Server(service(options))) as client:
        before = client("/search", {"query": "Paris Lyon"})[1]["ranking"]
        shutil.rmtree(folder)
        assert client("/search", {"query": "Paris Lyon"})[1]["ranking"] == before
        status, answer, _ = client("/search", {"query": "Paris Lyon", "filter": {"year": 1991}})  # parsed anew
        assert (status, "no model" in answer["message"]) == (503, True)
        assert client("/search", {"query": "Paris Lyon"})[1]["ranking"] == before
