"""A collection in OpenSearch and in Elasticsearch: the official clients against small servers that imitate theirs
(`imitation`). No real server is started."""

import numpy as np
import pytest

from anyrank.core.errors import InputError, StoreError
from anyrank.core.types import Candidate
from anyrank.index.exact import Settings
from anyrank.store.engine import whole
from anyrank.stores.open import open_index, open_server
from anyrank.stores.remote import Remote
from anyrank.testing.stores import DOCUMENTS, ENCODERS, FILTERS, in_folder, results, same
from anyrank.vectors import Encoded

from .imitation import Elasticsearch, OpenSearch, serving

PASSWORD = "s3cret-word"
SCHEMES = {"opensearch": (OpenSearch, "opensearchpy"), "elasticsearch": (Elasticsearch, "elasticsearch")}


@pytest.fixture(params=SCHEMES)
def scheme(request):
    return request.param


@pytest.fixture
def server(scheme):
    store, package = SCHEMES[scheme]
    pytest.importorskip(package, reason=f"needs the client: pip install 'anyrank[{scheme}]'")
    with serving(store()) as store:
        yield store


@pytest.fixture
def url(scheme, server):
    return f"{scheme}://me:{PASSWORD}@127.0.0.1:{server.port}/wings"


@pytest.fixture
def made(url):
    collection = Remote.build(open_server(url), DOCUMENTS)
    collection.encode(ENCODERS["small"])
    yield collection
    collection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return in_folder(tmp_path_factory.mktemp("folder") / "x")


def exact(folder, queries, k, filter=None):
    """The folder's results by the exact formula in the default settings."""
    counts, mask = folder.lexical.exact(), None if filter is None else folder.store.passing(filter)
    found = [counts.best(folder.lexical.weights(q), k, Settings(), mask) for q in queries]
    return [list(zip(folder.store.rows.of(r.tolist()).ids(r.tolist()), s.tolist())) for r, s in found]


def test_it_finds_what_a_folder_finds(monkeypatch, made, server, folder):
    for pipeline in ("search('small') % 10", "search('small') % 20 >> model('small')"):
        same(results(monkeypatch, made, pipeline), results(monkeypatch, folder, pipeline))
    queries = ["wing lift", "heat shock wave", "the layer"]
    same(made.lexical.search(queries, 10), exact(folder, queries, 10), server.times / 2.2)
    assert made.lexical.document_frequencies(["lift", "none"]) == folder.lexical.document_frequencies(["lift", "none"])
    for settings, k, match in ((Settings(0.9), 10, "use bm25 without settings"), (None, 20_000, "at most 10,000")):
        with pytest.raises(InputError, match=match):
            made.lexical.search(["wing"], k, settings=settings)
    with pytest.raises(InputError, match="a query of 1,025 terms"):
        made.lexical.search([{f"t{n}": 1.0 for n in range(1025)}], 10)
    with pytest.raises(InputError, match="holds dense ones"):
        made.encode(ENCODERS["terms"])


@pytest.mark.parametrize("filter", FILTERS, ids=lambda f: str(f)[:20])
def test_filters_pass_the_same(made, server, folder, filter):
    query = ENCODERS["small"].encode(["wing"]).vectors
    same(made.vectors("small").search(query, 40, filter), folder.vectors("small").search(query, 40, filter))
    words = made.lexical.search(["wing lift"], 40, filter)
    same(words, exact(folder, ["wing lift"], 40, filter), server.times / 2.2)


def test_updates_and_deletions(made, server):
    made.update([Candidate("d3", "shock shock"), Candidate("blank", "")], ENCODERS)
    assert made.delete(["d5", "unknown", ""]) == 1
    again = open_index(made.server.at.url)
    assert len(again) == 40
    assert [d.id for d in again.documents()] == sorted(again.ids())
    assert again.get(["d3"])[0].content == "shock shock"
    assert again.vectors("small").missing() == []
    positions, vectors = again.vectors("small").vectors(["d3", "blank", "d5", "d3"])
    assert positions == [0, 3]
    np.testing.assert_allclose(vectors.dense()[0], ENCODERS["small"].encode(["shock shock"]).vectors[0], rtol=1e-6)
    ids = ["a/b?c#d", "'; --", "東京é𝔘", '"quoted"', "a" * 512]
    docs = [Candidate(i, f"zebra {i} \0", meta={"n": 2**70}) for i in ids]
    again.update(docs)
    assert again.get(ids) == [whole(d) for d in docs]
    assert {i for i, _ in again.lexical.search(["zebra"], 9)[0]} == set(ids)
    again.close()
    assert server.authorization.startswith("Basic ")


def test_the_graph(monkeypatch, scheme, server, folder):
    made = Remote.build(open_server(f"{scheme}://127.0.0.1:{server.port}/wings"), DOCUMENTS)
    made.encode(ENCODERS["small"], index="approximate", options={"connectivity": 8})
    vector = server.mappings["properties"]["vectors_1"]
    graph = vector["method"]["parameters"] if scheme == "opensearch" else vector["index_options"]
    assert (graph["m"], graph["ef_construction"]) == (8, 100)
    for filter in (None, {"lang": "de"}):
        search = "search('small') % 10"
        same(results(monkeypatch, made, search, filter), results(monkeypatch, folder, search, filter))
    near = made.vectors("small").search(ENCODERS["small"].encode(["wing"]).vectors, 10_000)
    assert len(near[0]) == 40
    with pytest.raises(InputError, match="no option 'speed': there are connectivity"):
        made.encode(ENCODERS["small"], index="approximate", options={"speed": 3})
    made.server.drop()
    assert made.server.read() is None
    made.close()


def test_a_graph_is_not_added_later(made):
    with pytest.raises(InputError, match=r"were stored without a graph.*--overwrite"):
        made.encode(ENCODERS["small"], index="approximate")


def test_errors_name_the_server_and_no_password(scheme, made, server):
    with pytest.raises(InputError, match="holds a complete collection"):
        Remote.build(made.server, DOCUMENTS)
    answer = server.answer
    server.answer = lambda *_: (401, {"error": {"type": "security_exception", "reason": "no"}, "status": 401})
    with pytest.raises(StoreError, match=rf"refuses \(401\).*password in {scheme.upper()}_PASSWORD") as refused:
        made.lexical.search(["wing"], 3)
    server.answer = lambda *_: (507, {"error": {"type": "x", "reason": "disk full"}})
    with pytest.raises(StoreError, match="disk full"):
        made.update([Candidate("x", "y")])
    server.answer = answer
    made.server.drop()
    with pytest.raises(InputError, match="the collection is gone"):
        made.lexical.search(["wing"], 3)
    server.stop()
    with pytest.raises(StoreError, match="can't be reached") as gone:
        open_index(made.server.at.url)
    for error in (refused, gone):
        assert PASSWORD not in str(error.value)


def test_an_index_of_somebody_else_is_left_alone(made, server):
    server.mappings["_meta"] = {}
    with pytest.raises(InputError, match="no collection of anyrank"):
        open_index(made.server.at.url)
    with pytest.raises(InputError, match="no collection of anyrank"):
        Remote.build(open_server(made.server.at.url), DOCUMENTS, overwrite=True)
    assert len(server.documents) == 40


def test_settings_behind_a_question_mark(url):
    with pytest.raises(InputError, match="no setting 'verify' behind '\\?': there is ca_certs"):
        open_server(f"{url}?verify=no")
    with pytest.raises(InputError, match=r"ca_certs: there is no file 'none\.crt'"):
        open_index(f"{url.replace('://', '+https://')}?ca_certs=none.crt")


@pytest.fixture
def elastic():
    pytest.importorskip("elasticsearch", reason="needs elasticsearch: pip install 'anyrank[elasticsearch]'")
    with serving(Elasticsearch()) as store:
        yield store


def test_a_key_of_elasticsearch(elastic, monkeypatch):
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "from-environment")
    for user, key in (("", "from-environment"), (":in-address@", "in-address")):
        server = open_server(f"elasticsearch://{user}127.0.0.1:{elastic.port}/wings")
        assert server.read() is None
        server.close()
        assert elastic.authorization == f"ApiKey {key}"


def test_what_elasticsearch_can_not_hold(elastic):
    made = Remote.build(open_server(f"elasticsearch://127.0.0.1:{elastic.port}/wings"), DOCUMENTS)

    class Long:
        name = "long"

        def encode(self, contents, *, query=False):
            return Encoded(np.ones((len(contents), 4097), np.float32))

    with pytest.raises(InputError, match="vectors of 4,097 numbers: Elasticsearch holds those of at most 4,096"):
        made.encode(Long())
    made.close()


def test_another_version_or_product_is_named(elastic):
    elastic.major = 7
    server = open_server(f"elasticsearch://127.0.0.1:{elastic.port}/wings")
    elastic.mappings = {}
    with pytest.raises(StoreError, match=r"older than the client, .*pip install 'elasticsearch<9'"):
        server.count()
    server.close()
    elastic.major = 9
    elastic.headers = lambda asked: {"Content-Type": "application/json"}
    with pytest.raises(StoreError, match="is not Elasticsearch: of OpenSearch the address begins with opensearch://"):
        open_server(f"elasticsearch://127.0.0.1:{elastic.port}/wings").count()
