"""Bombs and giant lines end in an error with file, line and setting; errors are short whatever they quote."""

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
import zipfile

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import AnyrankError, InputError, MissingExtra
from anyrank.io.candidates import read_rankings
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.files import LONGEST, longest, size_of
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import read_run

BIG = b"a" * 5000
GIANTS = [
    (read_documents, "c.jsonl", b'{"id": "1", "text": "' + BIG + b'"}', 1, "line"),
    (read_documents, "c.jsonl", b'{"id": "1", "text": ""}\n{"id": "2", "text": "' + BIG, 2, "line"),
    (read_documents, "c.json", b'[{"id": "1", "text": ""},\n{"id": "2", "text": "' + BIG, 2, "object"),
    (read_documents, "c.json", b'{\n"id": "2", "x": [' + b"1,\n" * 2000, 1, "object"),
    (read_documents, "c.csv", b"id,text\n1,a\n2," + BIG + b"\n", 3, "line"),
    (read_documents, "c.csv", b'id,text\n1,a\n2,"' + b"a\n" * 2000 + b'"\n', 3, "row"),
    (read_documents, "c.tsv", b"1\t" + BIG + b"\n", 1, "line"),
    (read_documents, "c.sgml", b"<DOC>\n<DOCNO>1</DOCNO>\n" + b"word\n" * 1000 + b"</DOC>", 1, "record"),
    (read_queries, "topics", b"<top>\n<num> 1\n" + b"word\n" * 1000, 1, "record"),
    (read_queries, "q.tsv", b"1\t" + BIG + b"\n", 1, "line"),
    (read_rankings, "r.jsonl", b'{"query": "' + BIG + b'"}', 1, "line"),
    (read_run, "r.trec", b"q Q0 d 1 1 t\n" + BIG, 2, "line"),
    (read_qrels, "qrels", b"q 0 d 1\n" + BIG, 2, "line"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("reader", "name", "content", "line", "what"), GIANTS)
def test_what_is_longer_than_the_limit_is_named(tmp_path, monkeypatch, reader, name, content, line, what, packed):
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setenv("ANYRANK_MAX_LINE", "4000")
    with pytest.raises(InputError) as error:
        list(reader(path))
    assert str(error.value).startswith(f"{path}:{line}: a")
    assert f" {what} of more than 4,000 bytes" in str(error.value)
    assert "ANYRANK_MAX_LINE or --max-line" in str(error.value)


@pytest.mark.parametrize(("reader", "name", "content"), [g[:3] for g in GIANTS if g[1] in ("c.tsv", "q.tsv")])
def test_the_limit_is_raised_by_setting_argument_and_option(tmp_path, monkeypatch, reader, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="more than 100 bytes"):
        list(reader(tmp_path / name, most=100))
    monkeypatch.setenv("ANYRANK_MAX_LINE", "1K")
    with pytest.raises(InputError, match="more than 1,024 bytes"):
        list(reader(tmp_path / name))
    assert len(list(reader(tmp_path / name, most=6000))) == 1
    monkeypatch.setenv("ANYRANK_MAX_LINE", "6K")
    assert len(list(reader(tmp_path / name))) == 1


def test_the_option_of_the_command_line_sets_the_limit(tmp_path, monkeypatch):
    (tmp_path / "c.tsv").write_bytes(b"1\t" + BIG + b"\n")
    monkeypatch.setenv("ANYRANK_MAX_LINE", "")
    args = ["index", str(tmp_path / "c.tsv"), "-o", str(tmp_path / "x")]
    with pytest.raises(InputError, match=r"c\.tsv:1: a line of more than 2,048"):
        CliRunner().invoke(cli, ["--max-line", "2K", *args], standalone_mode=False, catch_exceptions=False)
    assert CliRunner().invoke(cli, ["--max-line", "1M", *args]).exit_code == 0


def test_sizes(monkeypatch):
    monkeypatch.delenv("ANYRANK_MAX_LINE", raising=False)
    assert longest() == LONGEST == 32 << 20
    assert [size_of(t) for t in ("1", " 3k ", "2MiB", "1GB")] == [1, 3072, 2 << 20, 1 << 30]
    for wrong in ("", "0", "-1", "1T", "1.5M", "x"):
        with pytest.raises(InputError, match="expected a number of bytes"):
            size_of(wrong)


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.json.gz", "c.csv.gz", "c.sgml.gz", "c.tsv.gz"])
def test_a_bomb_takes_no_more_memory_than_the_limit(tmp_path, monkeypatch, name):
    begin = {
        "c.json": b'[{"id": "',
        "c.jsonl": b'{"id": "',
        "c.csv": b'id,text\n1,"',
        "c.sgml": b"<DOC>",
        "c.tsv": b"1\t",
    }
    (tmp_path / name).write_bytes(gzip.compress(begin.get(name[:-3], b"1\t") + b"a" * (64 << 20), 1))
    monkeypatch.setenv("ANYRANK_MAX_LINE", "1M")
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 1,048,576 bytes"):
        list(read_documents(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_gzip_is_read_under_any_name_and_other_packings_are_named(tmp_path, monkeypatch):
    line = b'{"id": "1", "text": "a"}\n'
    path = tmp_path / "c.jsonl"
    path.write_bytes(gzip.compress(line))
    assert [d.id for d in read_documents(path)] == ["1"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(line))))
    assert [d.id for d in read_documents("-")] == ["1"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("c.jsonl", line)
    for kind, data in ("xz", lzma.compress(line)), ("bzip2", bz2.compress(line)), ("zip", packed.getvalue()):
        for name in ("c.jsonl", f"c.{kind}", "c.gz"):
            path = tmp_path / name
            path.write_bytes(gzip.compress(data) if name == "c.gz" else data)
            with pytest.raises(InputError, match=rf"packed \({kind}\), not text: unpack it, or pack it as \.gz"):
                list(read_documents(path))


@pytest.mark.parametrize(
    ("reader", "name", "content"),
    [
        (read_documents, "c.csv", ",".join(f"column{i}" for i in range(100_000)) + "\n"),
        (read_documents, "c.csv", "id,text," + ",".join(f"column{i}" for i in range(100_000)) + "\n1,a\n"),
        (read_documents, "c.csv", "id,text\n" + "1," * 100_000 + "\n"),
        (read_documents, "c.tsv", "id\ttext\n" + "1\t" * 100_000 + "\n"),
        (read_documents, "c.jsonl", json.dumps({f"column{i}": i for i in range(100_000)})),
        (read_documents, "c.jsonl", (json.dumps({"id": "x" * 100_000, "text": "a"}) + "\n") * 2),
        (read_documents, "c.jsonl", json.dumps({"id": ["x" * 100_000], "text": "a"})),
        (read_documents, "c." + "x" * 200, ""),
        (read_rankings, "r.jsonl", json.dumps({f"column{i}": i for i in range(100_000)})),
        (read_rankings, "r.jsonl", json.dumps({"query": "q", "documents": [{"text": "t", "score": "9" * 100_000}]})),
        (read_run, "r.trec", "q Q0 d 1 " + "9" * 100_000 + "x t\n"),
        (read_run, "r.trec", f"q Q0 {'d' * 100_000} 1 1 t\n" * 2),
        (read_qrels, "q.qrels", "q 0 d " + "9" * 5_000 + "x\n"),
    ],
)  # fmt: skip
def test_errors_are_short_whatever_they_quote(tmp_path, reader, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as error:
        list(reader(tmp_path / name))
    assert len(str(error.value)) < 2500
    assert str(error.value).startswith(str(tmp_path / name[:40]))


def test_an_errors_beginning_and_end_are_kept():
    text = str(InputError("begin " + "x" * 100_000 + " end", path="f", line=3))
    assert text.startswith("f:3: begin x")
    assert "x end" in text
    assert len(text) < 2100
    assert str(AnyrankError()) == ""
    assert "pip install" in str(MissingExtra("x", extra="y"))
