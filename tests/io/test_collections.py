import gzip
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest

from anyrank import InputError, MissingExtra
from anyrank.io import DOCUMENT, Dataset, json_lines, read_documents, read_queries, seen, write_jsonl

LINES = (
    '{"_id": 1, "title": "T", "text": "a \\u00e9", "year": 1958}\r\n\r\n{"docid": "x y", "contents": "b", "k": [1]}\n\n'
)


def summary(path, **options):
    return [(d.id, d.content, dict(d.meta)) for d in read_documents(path, **options)]


def test_json_lines_with_other_names_extra_fields_windows_ends_and_a_byte_order_mark(tmp_path):
    expected = [("1", "T a é", {"title": "T", "year": 1958}), ("x y", "b", {"k": [1]})]
    (tmp_path / "c.jsonl").write_bytes(b"\xef\xbb\xbf" + LINES.encode())
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    assert summary(tmp_path / "c.jsonl") == summary(tmp_path / "c.jsonl.gz") == expected


def test_tables(tmp_path):
    (tmp_path / "c.csv").write_bytes(b'\xef\xbb\xbfid,text,lang\r\n1,"a ""b"",\r\nc",en\r\n\r\n2,,de\r\n')
    assert summary(tmp_path / "c.csv") == [("1", 'a "b",\r\nc', {"lang": "en"}), ("2", "", {"lang": "de"})]
    (tmp_path / "index.csv").write_text(",id,text\n0,1,a\n")
    assert summary(tmp_path / "index.csv") == [("1", "a", {"": "0"})]
    (tmp_path / "c.tsv").write_text('id\ttitle\ttext\n1\tT\tsay "a\n')
    assert summary(tmp_path / "c.tsv") == [("1", 'T say "a', {"title": "T"})]
    (tmp_path / "plain.tsv").write_bytes(b'1\ta "b\r\n\n2\t\n')
    assert summary(tmp_path / "plain.tsv") == [("1", 'a "b', {}), ("2", "", {})]
    (tmp_path / "any").write_text("url,abstract\nu,long " + "x" * 200_000 + "\n")
    fields = DOCUMENT.pick(id="url", text="abstract")
    ((id, text, _),) = summary(tmp_path / "any", format="csv", fields=fields)
    assert (id, len(text)) == ("u", 200_005)
    (tmp_path / "id.tsv").write_text("id\ttext\n1\ta\n")
    assert [i for i, *_ in summary(tmp_path / "id.tsv", header=False)] == ["id", "1"]
    with pytest.raises(InputError, match="format='xml': choose"):
        summary(tmp_path / "any", format="xml")


def test_queries_of_three_forms(tmp_path):
    (tmp_path / "q.tsv").write_text("264014\thow long is life cycle of flea\n1\tb\n")
    (tmp_path / "q.csv").write_text("qid,query,lang\n264014,how long is life cycle of flea,en\n1,b,en\n")
    (tmp_path / "q.jsonl").write_text(
        '{"_id": 264014, "text": "how long is life cycle of flea"}\n{"qid": "1", "query": "b"}\n'
    )
    for name in ("q.tsv", "q.csv", "q.jsonl"):
        queries = read_queries(tmp_path / name)
        assert [(q.id, q.content) for q in queries] == [("264014", "how long is life cycle of flea"), ("1", "b")]
    assert read_queries(tmp_path / "q.csv")[1].meta == {"lang": "en"}


def test_documents_stream_from_stdin(monkeypatch):
    import io

    class Endless(io.RawIOBase):
        n = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            line = b'{"id": %d, "text": ""}\n' % self.n
            self.n += 1
            buffer[: len(line)] = line
            return len(line)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(Endless())))
    documents = read_documents("-")
    assert [next(documents).id for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("twice", [0, 7, 30, 98])
def test_ids_are_unique_beyond_those_kept_whole(tmp_path, monkeypatch, twice):
    monkeypatch.setattr(seen, "_SETTLE", 10)
    path = tmp_path / "c.jsonl"
    ids = [*range(99), twice]
    write_jsonl(path, ({"id": i, "text": ""} for i in ids))
    with pytest.raises(InputError, match=rf"c\.jsonl:100: document id '{twice}' appears twice"):
        list(read_documents(path))
    write_jsonl(path, ({"id": i, "text": ""} for i in ids[:99]))
    assert [d.id for d in read_documents(path)] == [str(i) for i in range(99)]


def test_a_beir_folder_plain_or_packed(tmp_path):
    (tmp_path / "qrels").mkdir()
    write_jsonl(tmp_path / "corpus.jsonl", [{"_id": "d", "title": "", "text": "é"}])
    write_jsonl(tmp_path / "queries.jsonl.gz", [{"_id": "q2", "text": "b"}, {"_id": "q1", "text": "a"}])
    (tmp_path / "qrels/dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td\t1\n")
    dataset = Dataset.open(tmp_path)
    assert dataset.splits() == ["dev"]
    assert [d.content for d in dataset.documents()] == ["é"]
    assert [q.id for q in dataset.queries()] == ["q2", "q1"]
    assert [q.id for q in dataset.queries("dev")] == ["q1"]
    assert dataset.qrels() == dataset.qrels("dev") == {"q1": {"d": 1}}
    (tmp_path / "qrels/train.tsv").write_text("q2\td\t1\n")
    with pytest.raises(InputError, match=r"no judgements 'test' \(there are: dev, train\)"):
        Dataset.open(tmp_path).qrels()


def test_the_demo_collection_is_whole():
    demo = Dataset.open("demo")
    documents, qrels = {d.id: d for d in demo.documents()}, demo.qrels()
    assert (demo.name, len(documents), len(demo.queries()), sum(map(len, qrels.values()))) == (
        "cranfield",
        1400,
        225,
        1837,
    )
    assert qrels.keys() == {q.id for q in demo.queries("test")}
    assert {d for judged in qrels.values() for d in judged} <= documents.keys()
    assert {g for judged in qrels.values() for g in judged.values()} == {0, 1, 2, 3, 4}
    assert documents["1"].content.startswith(
        "experimental investigation of the aerodynamics of a wing in a slipstream . an exp"
    )


def test_real_collections(data):
    for name in ("scifact", "nfcorpus", "vaswani", "cosqa"):
        dataset = Dataset.open(data / name)
        known = {q.id for q in dataset.queries()}
        for split in dataset.splits():
            assert dataset.qrels(split).keys() <= known
    assert len(list(Dataset.open(data / "scifact").documents())) == 5183


Doc = namedtuple("Doc", "doc_id title text blob")
Topic = namedtuple("Topic", "query_id text")
Qrel = namedtuple("Qrel", "query_id doc_id relevance iteration")


class DocWithDefault(Doc):
    def default_text(self):
        return f"{self.title}: {self.text}"


def fake_catalogue(**parts):
    """A stand-in for the ir_datasets package, with the few functions of it that are used."""
    has = {f"has_{k}": lambda k=k: k in parts for k in ("docs", "queries", "qrels")}
    iters = {f"{k}_iter": lambda v=v: iter(v) for k, v in parts.items()}
    known = {"toy/dev": SimpleNamespace(**has, **iters)}
    return SimpleNamespace(load=known.__getitem__)


def test_ir_datasets_ids_against_a_stand_in_for_the_package(monkeypatch):
    toy = fake_catalogue(
        docs=[Doc("d1", "T", "a", b"x"), DocWithDefault("d2", "T", "b", b"x")],
        queries=[Topic("q1", "one"), Topic(2, " two ")],
        qrels=[Qrel("q1", "d1", 2, "0")],
    )
    monkeypatch.setitem(sys.modules, "ir_datasets", toy)
    dataset = Dataset.open("irds:toy/dev")
    assert [(d.id, d.content, d.meta) for d in dataset.documents()] == [
        ("d1", "T a", {"title": "T"}),
        ("d2", "T: b", {"title": "T"}),
    ]
    assert [(q.id, q.content) for q in dataset.queries()] == [("q1", "one"), ("2", "two")]
    assert [q.id for q in dataset.queries("dev")] == ["q1"]
    assert (dataset.splits(), dataset.qrels()) == (["dev"], {"q1": {"d1": 2}})
    with pytest.raises(InputError, match="ir_datasets has no collection 'toy/absent'"):
        list(Dataset.open("irds:toy/absent").documents())
    monkeypatch.setitem(sys.modules, "ir_datasets", fake_catalogue(docs=[]))
    with pytest.raises(InputError, match="'toy/dev' has no queries"):
        Dataset.open("irds:toy/dev").queries()
    with pytest.raises(InputError, match=r"toy/dev has no judgements 'test' \(there are: none\)"):
        Dataset.open("irds:toy/dev").qrels()


def test_without_ir_datasets_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'anyrank\[datasets\]'"):
        Dataset.open("irds:toy/dev").splits()


def test_json_lines_are_written_whole_or_not_at_all(tmp_path):
    write_jsonl(tmp_path / "x.jsonl.gz", [{"a": "é"}, {}])
    assert [r for _, r in json_lines(tmp_path / "x.jsonl.gz")] == [{"a": "é"}, {}]
    with pytest.raises(TypeError):
        write_jsonl(tmp_path / "y.jsonl", [{}, {"a": object()}])
    assert not (tmp_path / "y.jsonl").exists()
