"""`Client` against our own server, and against one that answers badly."""

import asyncio
import inspect
import json
import pickle
import time

import pytest

pytest.importorskip("httpx2")

import anyrank as ar
from anyrank.backends.http import NoAnswer
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.serve.app import Server
from anyrank.serve.keys import Keyring, new_key
from anyrank.serve.service import Service
from anyrank.testing.wire import Raw, wire

QUERY = "capital of France"
TEXTS = ["Lyon is large", "Paris is the capital of France", "Rome"]


@pytest.fixture
def url(client):
    return f"http://127.0.0.1:{client.port}"


def quick(url, **options):
    return ar.Client(url.removesuffix("/v1"), timeout=5, **{"retries": 0, **options})


def test_documents_come_back_as_they_were_given(url):
    documents = [{"id": f"d{i}", "text": t, "page": None} for i, t in enumerate(TEXTS)]
    ranking = ar.Client(url).rerank(QUERY, documents)
    assert ranking.ids == ["d1", "d0", "d2"]
    assert ranking[0].original is documents[1]
    assert ranking[0].index == 1
    assert (ranking.status, ranking.cost.usage.calls, ranking.cost.usage.prompt_tokens) == ("ok", 3, 9)
    assert ranking.trace[0].name == "words"
    assert ar.Client(url).rerank(QUERY, documents, top_n=1).ids == ["d1"]
    assert ar.Client(url).rerank(QUERY, documents, top_n=99).ids == ranking.ids


@pytest.mark.parametrize("texts", [[], ["one"], ["a", "a", "a"], ["", " ", "x"], ["日本 \ud800 \0", "é" * 5000, "🙂"]])
def test_the_result_is_a_permutation(url, texts):
    ranking = ar.Client(url).rerank("日本 a", texts)
    assert sorted(c.index for c in ranking) == list(range(len(texts)))
    assert [texts[c.index] for c in ranking] == [c.original for c in ranking]


def test_notes_and_failures_of_the_server_are_in_the_result(url):
    ranking = ar.Client(url).rerank(QUERY, TEXTS, "rerank-v3.5")
    assert "is not served here" in ranking.cost.notes[0]
    failed = ar.Client(url).rerank("a", ["crash", "crash"])
    assert failed.ids == ["0", "1"]
    assert failed.status == "fallback"


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({"status": "fallback", "usage": {}}, "fallback"),
        ({"status": "partial", "usage": {"calls": 1}}, "partial"),
        ({"status": "repaired", "usage": {"calls": 1, "repairs": {"repeat": 1}}}, "repaired"),
        ({"status": "ok", "usage": {"calls": "many", "repairs": 7}, "notes": 7}, "repaired"),
    ],
)
def test_the_status_is_the_servers(report, status):
    rows = [{"index": 1, "score": 2.0}, {"index": 1, "score": 9.0}, {"index": 7, "score": 1.0}]
    with wire(lambda *_: {"model": "m", "results": rows, **report}) as url:
        ranking = quick(url).rerank(QUERY, TEXTS)
    assert ranking.ids == ["1", "0", "2"]
    assert ranking.status == status
    assert "gave 2 of 3 documents no score" in ranking.cost.notes[-1]


def test_search_has_texts_fields_and_filters(serving, words, tmp_path):
    build([Candidate("a", "wings lift", meta={"year": 1}), Candidate("b", "wings", meta={"year": 2})], tmp_path / "i")
    service = Service({"words": words}, search="bm25", collection=Collection.open(str(tmp_path / "i")))
    with serving(Server(service)) as made:
        here = ar.Client(f"http://127.0.0.1:{made.port}")
        assert sorted(here.search("wings").ids) == ["a", "b"]
        (match,) = here.search("wings", 5, {"year": 1})
        assert (match.id, match.content, match.meta) == ("a", "wings lift", {"year": 1})
        assert here.search("soup").ids == []
        assert asyncio.run(here.asearch("wings", 1)).ids == here.search("wings", 1).ids


def test_vectors_of_more_texts_than_a_request_holds(url):
    encoder = ar.Client(url)
    texts = [f"text {i}" for i in range(130)]
    encoded = encoder.embed(texts, "minilm")
    assert encoded.vectors.array.shape == (130, 384)
    assert encoded.usage.calls == 130
    assert encoded.vectors.near(encoder.embed(texts[129:], "minilm", query=True).vectors).argmax() == 129
    assert len(encoder.embed([]).vectors) == 0
    assert asyncio.run(encoder.aembed(texts[:1])).vectors.array.shape == (1, 384)
    with pytest.raises(ar.InputError, match="one text"):
        encoder.embed("one text")


@pytest.mark.parametrize(
    "answer", [{}, {"data": [{"index": 0, "embedding": [0.1]}]}, {"data": [{"index": 1, "embedding": "AAAA"}]}, ["a"]]
)
def test_an_answer_that_is_none_is_an_error(answer):
    with wire(lambda *_: answer) as url:
        for ask in (lambda c: c.embed(["a"]), lambda c: c.rerank("q", ["a"]), lambda c: c.search("q")):
            with pytest.raises(NoAnswer):
                ask(quick(url))


def test_models_health_and_keys(serving, words, tmp_path, url):
    assert ar.Client(url).models() == ["words", "minilm"]
    assert ar.Client(url + "/").health()
    assert not ar.Client("http://127.0.0.1:9").health()
    assert not asyncio.run(ar.Client("http://127.0.0.1:9").ahealth())
    key = new_key(file := tmp_path / "keys", "alice")
    with serving(Server(Service({"words": words}), Keyring(file))) as made:
        address = f"http://127.0.0.1:{made.port}"
        assert ar.Client(address, key).models()[0] == "words"
        assert ar.Client(address).health()
        for client in (ar.Client(address), ar.Client(address, "wrong-key")):
            with pytest.raises(NoAnswer, match="/v1/models: HTTP 401") as error:
                client.models()
            assert error.value.status == 401
            assert "wrong-key" not in str(error.value)


def test_a_busy_server_is_asked_again_when_it_says():
    times = []

    def answer(path, body, headers):
        times.append(time.monotonic())
        if len(times) < 2:
            return Raw(429, b'{"message": "busy"}', {"Retry-After": "1"})
        return {"results": [{"index": 0, "score": 1.0}], "status": "ok"}

    with wire(answer) as url:
        assert quick(url, retries=1).rerank("q", ["a"]).status == "ok"
        assert times[1] - times[0] >= 1
        times.clear()
        with pytest.raises(NoAnswer, match="busy") as error:
            quick(url, retries=1, deadline=0.5).rerank("q", ["a"])
        assert error.value.status == 429


def test_many_at_once_and_cancelled(url):
    here = ar.Client(url)

    async def many():
        return await asyncio.gather(*(here.arerank(f"a{i}", [f"a{j}" for j in range(30)]) for i in range(30)))

    assert [r.ids[0] for r in asyncio.run(many())] == [str(i) for i in range(30)]

    async def cancelled():
        with wire(lambda *_: Raw(body=b'{"results": []}', pieces=2, pause=20)) as slow:
            task = asyncio.create_task(quick(slow).arerank("q", ["a"]))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    start = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - start < 10


def test_a_client_is_a_value():
    client = ar.Client("https://host/base/", key="secret", retries=2)
    assert client.url == "https://host/base"
    assert pickle.loads(pickle.dumps(client)) == client
    assert "secret" not in repr(client)
    assert inspect.signature(ar.Client.rerank) == inspect.signature(ar.Client.arerank)
    assert "reranked" in ar.Client.rerank.__doc__
    for options in (
        {"url": "host:8000"},
        {"key": "two words"},
        {"timeout": 0},
        {"retries": -1},
        {"url": "http://u:p@h"},
    ):
        with pytest.raises(ar.InputError):
            ar.Client(**{"url": "http://host", **options})


def test_images_alone_are_refused(url):
    with pytest.raises(ar.InputError, match="image and no text"):
        ar.Client(url).rerank("q", [{"image": "cat.jpg"}])
    assert json.dumps(ar.Client(url).rerank("q", [{"text": "a", "meta": None}]).to_dict())
