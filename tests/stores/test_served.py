"""`anyrank serve` and the playground over a collection on a server and over a linked index: what changes behind them is
seen, and what fails there is told to clients without addresses."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs starlette: pip install 'anyrank[serve]'")
from starlette.testclient import TestClient

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.scale.indexes import link
from anyrank.scale.manifest import Manifest, content_hash
from anyrank.scale.shards import BLOCK, every
from anyrank.serve import service
from anyrank.serve.app import Server
from anyrank.serve.keys import Keyring
from anyrank.serve.playground.playground import Playground
from anyrank.serve.service import Service
from anyrank.stores.open import open_index, open_server
from anyrank.stores.remote import Remote
from anyrank.testing.stores import DOCUMENTS, ENCODERS

from .imitation import Elasticsearch, OpenSearch, serving

OWN = {"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1"}
IMITATED = {"opensearch": (OpenSearch, "opensearchpy"), "elasticsearch": (Elasticsearch, "elasticsearch")}


def client_of(index):
    made = Service({"first": lambda rankings: rankings}, "bm25 % 10", open_index(index))
    server = Server(made, Keyring(), playground=Playground(made, free=True))
    return TestClient(server.app(), headers=OWN)


def found(client, query, **body):
    response = client.post("/search", json={"query": query, **body})
    assert response.status_code == 200, response.text
    return [c["id"] for c in response.json()["ranking"]]


def unavailable(client, *secrets):
    """All that reads the index answers 503, and tells nothing of where it lies."""
    for response in (
        client.post("/search", json={"query": "wing"}),
        client.get("/fetch?id=d1"),
        client.get("/info"),
        client.post("/play/run", json={"query": "wing", "pipelines": ["bm25 % 3"]}),
    ):
        assert response.status_code == 503, response.text
        assert response.headers["retry-after"] == "10"
        assert "try again later" in response.json()["message"]
        for secret in ("127.0.0.1", "s3cret", *secrets):
            assert secret not in response.text
    assert client.get("/health").status_code == 200


@pytest.fixture(params=IMITATED)
def imitated(request):
    store, package = IMITATED[request.param]
    pytest.importorskip(package, reason=f"needs the client: pip install 'anyrank[{request.param}]'")
    with serving(store()) as store:
        yield store, f"{request.param}://me:s3cret-word@127.0.0.1:{store.port}/wings"


def test_a_collection_on_a_server_is_served_and_may_change_and_go(imitated, monkeypatch):
    store, url = imitated
    collection = Remote.build(open_server(url), DOCUMENTS)
    client = client_of(url)
    assert len(found(client, "wing lift", filter={"lang": "de"})) == 10
    assert client.get("/fetch?id=d1").status_code == 200
    assert client.get("/fetch?id=" + "a" * 9000).status_code == 404
    assert client.post("/search", json={"query": "wing", "filter": {"none": 1}}).status_code == 422
    collection.update([Candidate("new", "zebra", meta={"fresh": "yes"})])
    assert found(client, "zebra", filter={"fresh": "yes"}) == ["new"]
    answer = store.answer
    store.answer = lambda *_: (500, {"error": {"type": "x", "reason": "shard of /var/data failed"}})
    unavailable(client, "/var/data", "wings")
    store.answer = answer
    assert found(client, "zebra") == ["new"]
    collection.server.drop()
    unavailable(client, "wings")
    Remote.build(open_server(url), DOCUMENTS[:5], language="none", stop_words=False)
    monkeypatch.setattr(service, "ASK", 0.0)
    found(client, "wing")
    assert set(found(client, "the")) == {"d1", "d2", "d4"}  # a word as others in the new collection
    collection.close()


def test_a_collection_that_is_being_built_is_not_served(imitated):
    _, url = imitated
    collection = Remote.build(open_server(url), DOCUMENTS)
    client = client_of(url)

    def stops():
        yield from DOCUMENTS * 60
        raise RuntimeError

    docs = (Candidate(f"m{n}", d.content) for n, d in enumerate(stops()))
    with pytest.raises(RuntimeError):
        Remote.build(collection.server, docs, overwrite=True)
    unavailable(client, "wings")
    collection.close()


def in_threads(index):
    """Many searches at once, the first of which open what is needed."""
    collection = open_index(index)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: collection.lexical.search(["wing lift"], 9, {"lang": "de"}), range(24)))
        texts = list(pool.map(lambda n: collection.get(["d1", "d2"]), range(24)))
    assert len(answers[0][0]) == 9
    assert all(list(a[0]) == list(answers[0][0]) for a in answers)
    assert texts == [texts[0]] * 24
    return collection


def test_it_is_searched_from_many_threads(imitated, linked):
    _, url = imitated
    Remote.build(open_server(url), DOCUMENTS).close()
    in_threads(url).close()
    in_threads(linked)


def test_the_local_mode_of_qdrant_is_served(tmp_path):
    pytest.importorskip("qdrant_client", reason="needs qdrant-client: pip install 'anyrank[qdrant]'")
    url = f"qdrant://{tmp_path}/q/wings"
    Remote.build(open_server(url), DOCUMENTS).close()
    in_threads(url).close()
    client = client_of(url)
    assert len(found(client, "wing lift", filter={"lang": "de"})) == 10
    run = client.post("/play/run", json={"query": "wing", "pipelines": ["bm25 % 3", "bm25 % 5"]})
    assert [lane["count"] for lane in run.json()["lanes"]] == [3, 5]


@pytest.fixture
def linked(tmp_path):
    """A linked index of two parts."""
    parts = []
    for shard in every(2):
        path, rows = shard.path(tmp_path / "ix"), shard.rows(DOCUMENTS)
        build(rows, path).encode(ENCODERS["small"])
        counts = [1] * len(rows)
        Manifest(shard.number, 2, "index", ["index"], {}, BLOCK, len(rows), counts, content_hash(path)).write(path)
        parts.append(path)
    link(parts, tmp_path / "all")
    return tmp_path / "all"


def test_a_linked_index_is_served_and_its_parts_may_change_and_go(linked):
    client = client_of(linked)
    part = Path(f"{linked.parent}/ix.2-of-2")
    assert client.get("/info").json()["index"] == {"documents": 40}
    assert len(found(client, "wing lift", filter={"lang": "de"})) == 10
    Collection.open(part).update([Candidate("new", "zebra")])
    assert found(client, "zebra") == ["new"]
    assert client.get("/fetch?id=new").status_code == 200
    build([Candidate("other", "zebra zebra")], part, overwrite=True)
    assert found(client, "zebra") == ["other"]
    assert client.get("/fetch?id=new").status_code == 404
    part.rename(linked.parent / "elsewhere")
    unavailable(client, str(linked.parent))
    (linked.parent / "elsewhere").rename(part)
    assert found(client, "zebra") == ["other"]
    (linked / "shards.json").write_text("{")
    unavailable(client, str(linked.parent))
    shutil.rmtree(linked)
    unavailable(client, str(linked.parent))


def test_the_playground_runs_over_a_linked_index(linked):
    client = client_of(linked)
    body = {"query": "wing lift", "pipelines": ["bm25 % 5", "bm25 % 3 >> cut(1)"]}
    run = client.post("/play/run", json=body)
    assert [lane["count"] for lane in run.json()["lanes"]] == [5, 1]
    assert client.post("/play/slide", json={**body, "fill": True}).status_code == 200
    ids = [run.json()["lanes"][0]["results"][0]["id"]]
    assert client.post("/play/explain", json={"query": "wing", "pipeline": "bm25", "ids": ids}).status_code == 200
