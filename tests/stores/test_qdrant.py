"""A collection in Qdrant's local mode, which its official client brings, beside one in a folder."""

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError, StoreError
from anyrank.core.types import Candidate
from anyrank.index.exact import Settings
from anyrank.store.engine import whole
from anyrank.stores.open import open_index, open_server
from anyrank.stores.remote import Remote
from anyrank.testing.stores import DOCUMENTS, ENCODERS, FILTERS, in_folder, results, same
from anyrank.vectors import Encoded, Tokens

pytest.importorskip("qdrant_client", reason="needs qdrant-client: pip install 'anyrank[qdrant]'")


def built(path):
    collection = Remote.build(open_server(f"qdrant://{path}/qdrant/wings"), DOCUMENTS)
    for encoder in ENCODERS.values():
        collection.encode(encoder)
    return collection


@pytest.fixture
def made(tmp_path):
    collection = built(tmp_path)
    yield collection
    collection.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One that no test changes."""
    collection = built(tmp_path_factory.mktemp("kept"))
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


@pytest.mark.parametrize(
    "pipeline", ["search('small') % 10", "search('terms') % 10", "search('small') % 20 >> model('terms')"]
)
def test_pipelines_find_what_they_find_in_a_folder(monkeypatch, kept, folder, pipeline):
    same(results(monkeypatch, kept, pipeline), results(monkeypatch, folder, pipeline))


def test_bm25_is_the_exact_formula(kept, folder):
    queries = ["wing lift", "heat shock wave", "the layer"]
    same(kept.lexical.search(queries, 10), exact(folder, queries, 10))
    with pytest.raises(InputError, match="use bm25 without settings"):
        kept.lexical.search(queries, 10, settings=Settings(0.9, 0.4))
    with pytest.raises(InputError, match="counts no terms"):
        kept.lexical.document_frequencies(["wing"])


@pytest.mark.parametrize("filter", FILTERS, ids=lambda f: str(f)[:20])
def test_filters_pass_the_same(monkeypatch, kept, folder, filter):
    search = "search('small') % 40"
    same(results(monkeypatch, kept, search, filter), results(monkeypatch, folder, search, filter))
    same(kept.lexical.search(["wing lift"], 40, filter), exact(folder, ["wing lift"], 40, filter))


def test_updates_are_seen_at_once_and_stay(monkeypatch, made, tmp_path):
    made.update([Candidate("d3", "shock shock wave", meta={"lang": "fr"}), Candidate("blank", " ")], ENCODERS)
    assert made.delete(["d5", "unknown"]) == 1
    assert made.vectors("small").missing() == []
    made.close()
    again = open_index(made.server.at.url)
    assert len(again) == 40
    assert again.get(["d3"])[0].content == "shock shock wave"
    assert [i for i, _ in again.lexical.search(["shock"], 9, {"lang": "fr"})[0]] == ["d3"]
    left = {d.id: d for d in again.documents()}
    folder = in_folder(tmp_path / "y", list(left.values()))
    for search in ("search('small') % 50", "search('terms') % 50"):
        same(results(monkeypatch, again, search), results(monkeypatch, folder, search))
    again.close()


class States:
    name = "states"

    def encode(self, contents, *, query=False):
        rows = [np.random.default_rng(len(str(c))).standard_normal((2 + len(str(c)) % 3, 4)) for c in contents]
        return Encoded(Tokens.of(rows))


def test_states_of_tokens(made, tmp_path):
    made.encode(States())
    local = in_folder(tmp_path / "y", encoders=())
    local.encode(States(), dtype="float32")
    query = States().encode(["wing lift"], query=True).vectors
    same(made.vectors("states").search(query, 10), local.vectors("states").search(query, 10))
    ids = ["d3", "unknown", "d1"]
    positions, scores = made.vectors("states").near(ids, query)
    assert positions == local.vectors("states").near(ids, query)[0] == [0, 2]
    np.testing.assert_allclose(scores, local.vectors("states").near(ids, query)[1], rtol=1e-5)

    class Means(States):
        name = "means"

        def encode(self, contents, *, query=False):
            return Encoded(Tokens.of([np.ones((1, 4))] * len(contents), means=np.ones((len(contents), 4))))

    with pytest.raises(InputError, match="by more than their products"):
        made.encode(Means())


def test_hostile_texts_and_ids_come_back_as_they_were(made):
    ids = ["a\0b", "../x", "'; --", "東京é𝔘", "\u0085", "a" * 512]
    docs = [Candidate(i, f"zebra {i}", meta={"field": i[:200], "n": 2**70}) for i in ids]
    made.update(docs)
    assert made.get(ids) == [whole(d) for d in docs]
    for i in ids:
        assert [h for h, _ in made.lexical.search(["zebra"], 50, {"field": [i[:200]]})[0]] == [i]
    assert made.delete(ids) == 6


def test_a_field_with_a_long_name_and_long_values(made):
    name, value = "n" * 9000, "".join(chr(0x3400 + i) for i in range(256))
    made.update([Candidate("long", "zebra", meta={name: "x", "n": value}), Candidate("other", "zebra", meta={name: 5})])
    for filter, found in (({name: "x"}, ["long"]), ({"n": value}, ["long"]), ([f"{name}>=4"], ["other"])):
        assert [i for i, _ in made.lexical.search(["zebra"], 9, filter)[0]] == found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves its lock open
def test_errors_of_the_local_mode_are_ours(made, tmp_path):
    with pytest.raises(StoreError, match="already accessed by another instance"):
        open_index(made.server.at.url)
    made.server.drop()
    for call in (
        lambda: len(made),
        lambda: made.lexical.search(["wing"], 3),
        lambda: made.get(["d1"]),
        lambda: made.update(DOCUMENTS[:2]),
        lambda: made.vectors("small").search(ENCODERS["small"].encode(["wing"]).vectors, 3),
        lambda: list(made.ids()),
    ):
        with pytest.raises(InputError, match="wings: the collection is gone"):
            call()
    made.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("file", ["meta.json", "collection/wings/storage.sqlite"])
def test_a_damaged_folder_of_the_local_mode_is_named(made, tmp_path, file):
    made.close()
    (tmp_path / "qdrant" / file).write_bytes(b"{damaged")
    with pytest.raises(StoreError, match=r"can't use its folder .*/qdrant .*if it is damaged, remove it"):
        open_index(made.server.at.url)


def test_a_building_is_not_finished_by_another_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr("anyrank.stores.remote._BATCH", 20)
    server = open_server(f"qdrant://{tmp_path}/q/wings")
    few, many = DOCUMENTS[:5], [Candidate(f"m{n}", "more") for n in range(30)]

    def stops():
        yield from few + many
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Remote.build(server, stops())
    for other, match in (
        (few, "the first documents of this corpus lack 15 of the 20 written"),
        (many, "lack 5 of the 20 written"),
        ([Candidate("d0", "another"), *few[1:], *many], "document 'd0' is not the one written"),
        ([], "lack 20 of the 20 written"),
    ):
        with pytest.raises(InputError, match=rf"{match} by an unfinished build there.*--overwrite"):
            Remote.build(server, other)
    server.delete(["d3", "m7"])  # of a batch that broke off some may be there
    seen = []
    made = Remote.build(server, few + many, on_progress=seen.append)
    assert (len(made), seen) == (35, [35])
    assert [d.content for d in made.get(["m7", "m29"])] == ["more", "more"]
    made.close()


def test_the_command_line(tmp_path):
    url = f"qdrant://{tmp_path}/cli/wings"
    (tmp_path / "c.tsv").write_text("id\ttext\nd1\twing lift\nd2\theat\n")
    for words, expected in (
        (["index", tmp_path / "c.tsv", "--to", url], "2 documents"),
        (["search", url, "wing", "-p", "bm25 % 5"], "d1"),
        (["index", "info", url], "bm25: 2 documents"),
    ):
        result = CliRunner().invoke(cli, [str(w) for w in words])
        assert expected in result.output, result.output


def test_an_index_that_the_store_has_not_is_refused_before_documents_are_written(tmp_path):
    (tmp_path / "c.tsv").write_text("id\ttext\nd1\twing lift\n")
    index = ["index", str(tmp_path / "c.tsv"), "--to", f"qdrant://{tmp_path}/early/wings", "--encode"]
    for words, message in (
        (
            ["minilm", "--ann", "--set", "precision=int8"],
            "no option 'precision': there are connectivity, expansion_add",
        ),
        (["minilm", "--ann", "--set", "connectivity=many"], "connectivity='many': expected a whole number"),
        (["minilm", "--vector-index", "nearest", "--set", "connectivity=8"], "the index nearest has no options"),
        (["splade", "--ann"], "a graph is of dense vectors, and splade.* makes sparse ones"),
    ):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(cli, [*index, *words], catch_exceptions=False)
        assert not (tmp_path / "early").exists()


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret-key")
    with pytest.raises(StoreError, match="can't be reached") as error, pytest.warns(UserWarning, match="insecure"):
        open_index("qdrant://127.0.0.1:1/wings")
    assert "s3cret" not in str(error.value)
