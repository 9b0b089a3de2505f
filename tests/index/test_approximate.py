"""Approximate search by a graph: exact scores, complete results under any filter and deletion, updates, damage."""

import json
import logging
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.types import Candidate
from anyrank.index import approximate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.quantise import OVERSAMPLING, Quantiser
from anyrank.index.vector_store import VectorStore
from anyrank.vectors import Encoded, Sparse

pytestmark = pytest.mark.skipif(not approximate.installed(), reason="usearch is absent")
N, DIM = 800, 24
UNHURRIED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


class Points:
    """A fixed random vector for each text, of length 1, or of any length."""

    def __init__(self, name="p", lengths=False):
        self.name, self.lengths = name, lengths

    def encode(self, contents, *, query=False):
        rows = []
        for text in contents:
            rng = np.random.default_rng(list(text.encode()))
            row = rng.normal(size=DIM)
            rows.append(row / np.linalg.norm(row) * (rng.uniform(0.2, 5) if self.lengths else 1))
        return Encoded(np.array(rows, dtype=np.float32))


def docs(start=0, stop=N):
    return [Candidate(f"d{i}", f"text {i}", meta={"n": i, "even": i % 2 == 0}) for i in range(start, stop)]


@pytest.fixture(autouse=True)
def graph_always(monkeypatch):
    """Small collections would be scanned."""
    monkeypatch.setattr(approximate, "SCANNED", 0)
    monkeypatch.setattr(approximate, "_RATIO", 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    collection = build(docs(), tmp_path_factory.mktemp("whole") / "x")
    collection.encode(Points(), shard=300, index="approximate")
    return collection


@pytest.fixture
def collection(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "x")
    return Collection.open(tmp_path / "x")


def queries(count=20, encoder=None):
    return (encoder or Points()).encode([f"query {i}" for i in range(count)]).vectors


def both(collection, k, among=None, encoder=None):
    """Results of the graph and of the exact index for the same queries."""
    name = (encoder or Points()).name
    asked = queries(encoder=encoder)
    return [collection.vectors(name, exact=exact).search(asked, k, among) for exact in (False, True)]


def recall(by_graph, exact):
    return np.mean([len({*a.ids} & {*b.ids}) / max(len(b), 1) for a, b in zip(by_graph, exact)])


@pytest.mark.parametrize("precision", OVERSAMPLING)
def test_results_are_nearly_those_of_a_scan_and_their_scores_are_exact(collection, precision):
    collection.encode(Points(), index="approximate", options={"precision": precision})
    by_graph, exact = both(collection, 10)
    assert recall(by_graph, exact) > (0.6 if precision == "binary" else 0.85)  # 24 signs are little
    for a in by_graph:
        assert len(a) == 10
        assert list(a.scores) == sorted(a.scores, reverse=True)
    _, vectors = collection.vectors("p").vectors(by_graph[0].ids)
    assert by_graph[0].scores == pytest.approx(vectors.near(queries(1)), abs=1e-6)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(low=st.integers(0, N), width=st.integers(0, N), even=st.sampled_from([None, True, False]), k=st.integers(1, 60))
def test_a_filter_gives_k_where_k_exist(whole, low, width, even, k):
    among = {"n": (low, low + width)} | ({} if even is None else {"even": even})
    passing = [i for i in range(low, min(low + width + 1, N)) if even is None or (i % 2 == 0) == even]
    by_graph, exact = both(whole, k, among)
    for a, b in zip(by_graph, exact):
        assert len(a) == len(b) == min(k, len(passing))
        assert set(a.ids) <= {f"d{i}" for i in passing}
        assert a.scores == pytest.approx(b.scores, abs=0.5)
        if len(passing) <= k:
            assert sorted(a.ids) == sorted(b.ids)
    if passing:  # threads build another graph each time, and of few results one that is missed counts much
        assert recall(by_graph, exact) > (0.85 if k >= 10 else 0.5)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_deleted_and_replaced_documents_are_never_results(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "x"
    shutil.copytree(whole.path, path)
    collection = Collection.open(path)
    gone = data.draw(st.sets(st.integers(0, N - 1), max_size=N))
    replaced = data.draw(st.sets(st.integers(0, N - 1), max_size=5))
    collection.update([Candidate(f"d{i}", f"query {i % 20}") for i in replaced])  # of which there are no vectors
    collection.delete([f"d{i}" for i in gone])
    by_graph, exact = both(collection, 10)
    left = set(range(N)) - gone - replaced
    for a, b in zip(by_graph, exact):
        assert len(a) == len(b) == min(10, len(left))
        assert {int(i[1:]) for i in a.ids} <= left
    collection.encode(Points())
    left = set(range(N)) - gone
    by_graph, exact = both(collection, 10)
    assert all(len(a) == min(10, len(left)) for a in by_graph)
    for i in replaced - gone:
        assert by_graph[i % 20].scores[0] == pytest.approx(1)
    assert not left or recall(by_graph, exact) > 0.8


def test_a_query_for_whom_the_graph_has_too_few_is_scanned(collection, monkeypatch):
    monkeypatch.setattr(approximate.Graph, "nearest", lambda self, nodes, count: [np.zeros(0, np.int64)] * len(nodes))
    by_graph, exact = both(collection, 7)
    assert [[*a.ids] for a in by_graph] == [[*b.ids] for b in exact]


def test_new_documents_are_scanned_while_few_and_then_inserted(collection, monkeypatch):
    reader = Collection.open(collection.path)
    assert reader.vectors("p").describe() == {"covered": N, "deleted": 0}
    monkeypatch.setattr(approximate, "_PENDING", 30)
    for stop, covered in ((N + 20, N), (N + 40, N + 40)):
        new = docs(len(collection), stop)
        collection.add(new, {"p": Points()})
        reader.reload()
        for index in (collection.vectors("p"), reader.vectors("p")):
            assert index.describe()["covered"] == covered
            results = index.search(Points().encode([d.content for d in new]).vectors, 1)
            assert [r.ids for r in results] == [[d.id] for d in new]


def test_a_graph_of_which_many_documents_are_deleted_is_built_anew(collection):
    collection.delete([f"d{i}" for i in range(0, N // 4)])
    collection.encode(Points())
    assert collection.vectors("p").describe() == {"covered": N * 3 // 4, "deleted": N // 4}
    collection.delete([f"d{i}" for i in range(N // 4, N // 2)])
    collection.encode(Points())
    assert collection.vectors("p").describe() == {"covered": N // 2, "deleted": 0}
    assert recall(*both(collection, 10)) > 0.8


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_vectors_of_any_length_are_found_by_their_dot_products(tmp_path, precision):
    encoder = Points("q", lengths=True)
    collection = build(docs(), tmp_path / "x")
    collection.encode(encoder, index="approximate", options={"precision": precision})
    assert recall(*both(collection, 10, encoder=encoder)) > 0.8
    for wrong in ("int8", "binary"):
        with pytest.raises(InputError, match="needs vectors of one length"):
            collection.encode(encoder, index="approximate", options={"precision": wrong})
    assert recall(*both(collection, 10, encoder=encoder)) == 1  # no graph: a scan


def test_documents_without_content_are_no_nodes(tmp_path):
    collection = build([*docs(0, 50), Candidate("blank", " ")], tmp_path / "x")
    collection.encode(Points(), index="approximate")
    assert collection.vectors("p").describe() == {"covered": 50, "deleted": 0}
    assert "blank" not in collection.vectors("p").search(queries(1), 60)[0].ids


def test_wrong_options_and_kinds_are_named(tmp_path):
    class SparsePoints(Points):
        def encode(self, contents, *, query=False):
            return Encoded(Sparse.of([{0: 1.0}] * len(contents), 3))

    collection = build(docs(0, 5), tmp_path / "x")
    for options, named in (
        ({"m": 1}, "no option 'm': it has precision, connectivity"),
        ({"precision": "int4"}, "precision='int4': choose float32, bf16, int8, binary"),
        ({"connectivity": 1}, "connectivity=1: expected"),
        ({"expansion_add": True}, "expansion_add=True"),
        ({"expansion_search": 6.5}, r"expansion_search=6\.5"),
    ):
        with pytest.raises(InputError, match=named):
            collection.encode(Points(), index="approximate", options=options)
    with pytest.raises(InputError, match="'approximate' searches dense vectors, not sparse ones"):
        collection.encode(SparsePoints(), index="approximate")
    assert collection.encoded == []
    collection.encode(Points(), index="approximate", options={"connectivity": 8})
    meta = json.loads((tmp_path / "x" / "vectors" / "p" / "vectors.json").read_text())
    assert meta["options"] == {"precision": "bf16", "connectivity": 8, "expansion_add": 128, "expansion_search": 128}


@pytest.mark.parametrize("encoded_before", [True, False])
def test_a_refused_precision_is_not_noted_and_hinders_no_later_update(tmp_path, encoded_before):
    collection, encoder = build(docs(0, 20), tmp_path / "x"), Points("uneven", lengths=True)
    if encoded_before:
        collection.encode(encoder, index="approximate", options={"precision": "bf16"})
    with pytest.raises(InputError, match="choose float32 or bf16"):
        collection.encode(encoder, index="approximate", options={"precision": "int8"})
    vectors = VectorStore.open(tmp_path / "x" / "vectors" / "uneven")
    chosen = ("approximate", "bf16") if encoded_before else ("nearest", None)
    assert (vectors.index, vectors.options.get("precision")) == chosen
    collection.update([Candidate("d3", "another text")], {"uneven": encoder})
    (found,) = collection.vectors("uneven").search(encoder.encode(["another text"]).vectors, 20)
    assert found.ids[0] == "d3"
    assert len(found) == 20


def test_the_sizes_at_which_a_scan_is_used(whole, monkeypatch):
    used = []
    nearest = approximate.Graph.nearest
    monkeypatch.setattr(approximate.Graph, "nearest", lambda *args: used.append(1) or nearest(*args))

    def by_graph(k, among=None):
        used.clear()
        whole.vectors("p").search(queries(1), k, among)
        return bool(used)

    monkeypatch.setattr(approximate, "SCANNED", N)
    assert not by_graph(1)
    monkeypatch.setattr(approximate, "SCANNED", N // 2)
    assert by_graph(1)
    assert not by_graph(1, {"even": True})
    monkeypatch.setattr(approximate, "_RATIO", 60)
    assert by_graph(13)  # 60 * 13 * 800 = 790 ** 2
    assert not by_graph(14)


@pytest.mark.parametrize("how", ["bit", "cut", "gone"])
def test_a_damaged_graph_is_named_and_all_else_still_serves(collection, how, caplog):
    folder = collection.path / "vectors" / "p" / "graph"
    expected = both(collection, 5)[1]
    for name in sorted(p.name for p in folder.iterdir()):
        file, data = folder / name, (folder / name).read_bytes()
        changed = bytearray(data)
        changed[len(data) // 3] ^= 1
        file.write_bytes(changed if how == "bit" else data[: len(data) // 2])
        if how == "gone":
            file.unlink()
        one = Collection.open(collection.path)
        with pytest.raises(InputError, match=r'--encode p`; until then search\("p", exact=True\) works'):
            one.vectors("p").search(queries(1), 5)
        assert [list(r) for r in one.vectors("p", exact=True).search(queries(), 5)] == [list(r) for r in expected]
        assert one.lexical.search(["text 7"], 5)[0].ids
        assert one.vectors("p").vectors(["d1"])[0] == [0]
        assert one.vectors("p").missing() == []
        assert check(collection.path).problems
        with caplog.at_level(logging.WARNING):
            assert Collection.open(collection.path).encode(Points()).calls == 0
        assert "p/graph/" in caplog.text
        assert check(collection.path).problems == []
        assert recall(Collection.open(collection.path).vectors("p").search(queries(), 5), expected) > 0.8


def test_without_the_package_the_exact_search_is_named_and_serves(collection, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setitem(sys.modules, "usearch", None)
    monkeypatch.setattr(approximate, "installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"pip install 'anyrank\[ann\]' \(exact search works without it: search"):
        collection.vectors("p").search(queries(1), 5)
    assert len(collection.vectors("p", exact=True).search(queries(1), 5)[0]) == 5
    assert collection.vectors("p").describe() == {"covered": 0}
    with caplog.at_level(logging.WARNING):
        collection.add(docs(N, N + 3), {"p": Points()})
    assert "not updated, since the package usearch is missing" in caplog.text
    assert len(collection) == N + 3
    monkeypatch.setattr(approximate, "SCANNED", N + 3)  # a small collection needs no graph
    assert len(collection.vectors("p").search(queries(1), 5)[0]) == 5
    collection.encode(Points("other"))
    with pytest.raises(MissingExtra):
        collection.encode(Points("other"), index="approximate")


def test_going_back_to_exact_search_removes_the_graph(collection):
    collection.encode(Points(), index="nearest")
    assert not (collection.path / "vectors" / "p" / "graph").exists()
    assert type(collection.vectors("p")).__name__ == "Nearest"


def test_an_open_reader_goes_on_while_the_graph_is_replaced(collection):
    reader = Collection.open(collection.path).vectors("p")
    before = [list(r) for r in reader.search(queries(), 5)]
    graph = reader.graph()
    for precision in ("float32", "int8"):
        Collection.open(collection.path).encode(Points(), index="approximate", options={"precision": precision})
        assert len(graph.nearest(graph.quantiser.queries(queries().dense()), 5)[0]) == 5  # its old file is still mapped
        again = reader.search(queries(), 5)
        assert reader.graph() is not graph
        assert np.mean([len({*dict(a)} & {*b.ids}) / 5 for a, b in zip(before, again)]) > 0.9


def test_what_a_kill_leaves_is_scanned_and_built_again(collection):
    """`bench/kill_graph.py` kills processes; here are the states between the steps of a swap."""
    folder = collection.path / "vectors" / "p"
    expected = [list(r) for r in both(collection, 5)[1]]
    (folder / ".graph.tmp").mkdir()
    (folder / ".graph.tmp" / "nodes.usearch").write_bytes(b"half")
    assert Collection.open(collection.path).vectors("p").describe()["covered"] == N
    (folder / "graph").rename(folder / ".graph.old")  # killed between the two renames
    killed = Collection.open(collection.path)
    assert [list(r) for r in killed.vectors("p").search(queries(), 5)] == expected
    assert killed.vectors("p").describe() == {"covered": 0}
    assert check(collection.path).problems == []
    killed.encode(Points())
    assert killed.vectors("p").describe() == {"covered": N, "deleted": 0}
    assert sorted(p.name for p in folder.glob(".*")) == []


def test_a_full_disk_leaves_the_old_graph_and_the_new_vectors(collection, monkeypatch):
    before = collection.vectors("p").describe()
    monkeypatch.setattr(approximate, "_PENDING", 0)

    class Full:
        serialized_length = 1000

        def __init__(self, index):
            self.index = index

        def add(self, *args, **settings):
            return self.index.add(*args, **settings)

        def save(self, path):
            raise RuntimeError("Failed to serialize into stream")

    save = approximate._save
    monkeypatch.setattr(approximate, "_save", lambda index, path: save(Full(index), path))
    with pytest.raises(RuntimeError, match="Failed to serialize"):  # for another reason
        collection.add(docs(N, N + 5), {"p": Points()})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(InputError, match="graph: no space left on the device"):
        collection.encode(Points())
    assert check(collection.path).problems == []
    monkeypatch.undo()
    monkeypatch.setattr(approximate, "SCANNED", 0)
    again = Collection.open(collection.path)
    assert again.vectors("p").describe() == before
    assert again.vectors("p").missing() == []
    assert not list((collection.path / "vectors" / "p").glob(".*"))


def test_a_second_writer_is_told_while_a_graph_is_built(collection, monkeypatch):
    told = []
    save = approximate._save

    def meanwhile(index, path):
        with pytest.raises(InputError, match="another process is encoding its documents with 'p'"):
            Collection.open(collection.path).encode(Points(), index="nearest")
        told.append(both(Collection.open(collection.path), 5))  # readers see the graph's absence, and scan
        save(index, path)

    monkeypatch.setattr(approximate, "_save", meanwhile)
    collection.encode(Points(), index="approximate", options={"precision": "int8"})
    ((by_scan, exact),) = told
    assert [list(r) for r in by_scan] == [list(r) for r in exact]
    assert collection.vectors("p").describe()["covered"] == N


def test_int8_uses_its_range_and_signs_are_taken_around_the_means():
    sample = np.random.default_rng(0).normal(3, 0.1, size=(1000, 8)).astype(np.float32)
    small = Quantiser.fitted("int8", sample / 100, 0).documents(sample / 100)
    assert small.dtype == np.int8
    assert np.abs(small).max() == 127
    bits = np.unpackbits(Quantiser.fitted("binary", sample, 0).documents(sample))
    assert 0.45 < bits.mean() < 0.55
    for precision in OVERSAMPLING:
        one = Quantiser.fitted(precision, sample, 0)
        assert Quantiser.from_dict(json.loads(json.dumps(one.as_dict()))) == one


def test_models_run_after_a_graph_was_opened_first():
    """The order of the imports, in a process of its own: see `quantise.usearch`."""
    code = "from anyrank.index.quantise import usearch; usearch(); import onnxruntime; print('both')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "both\n", result.stderr
