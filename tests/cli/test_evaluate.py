"""eval and compare on the command line: traces, texts, figures, documents left out, tests."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError

DOCS = [
    {"_id": f"d{i}", "text": t}
    for i, t in enumerate(["wing lift flow", "wing drag", "heat shock", "supersonic flutter of a wing", "cone body"])
]


def call(*args):
    result = CliRunner().invoke(cli, [str(a) for a in args], catch_exceptions=True, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, DOCS)))
    (tmp_path / "q.tsv").write_text("d0\twing lift flow\nd1\twing drag\nd3\tflutter of a wing\n")
    (tmp_path / "qrels").write_text("d0 0 d1 1\nd0 0 d0 1\nd1 0 d0 2\nd1 0 d3 1\nd3 0 d1 1\n")
    call("index", tmp_path / "c.jsonl", "-o", tmp_path / "ix")
    return tmp_path


def ids(run):
    out = {}
    for line in run.read_text().splitlines():
        out.setdefault(line.split()[0], []).append(line.split()[2])
    return out


def test_the_trace_of_a_search_and_of_a_reranking_is_read_beside_the_run(folder):
    one, two = folder / "one.trec", folder / "two.trec"
    call("search", folder / "ix", "--queries", folder / "q.tsv", "-o", one)
    call("rerank", "--run", one, "--queries", folder / "q.tsv", "--documents", folder / "ix", "-o", two, "-p", "tiny")
    assert (folder / "one.trec.trace.jsonl").is_file()
    html = folder / "r.html"
    table = json.loads(call("compare", folder / "qrels", one, two, "--html", html, "--json").stdout)
    assert [s["name"] for s in table["costs"]["one"]["steps"]] == ["bm25"]
    assert [s["name"] for s in table["costs"]["two"]["steps"]] == ["tiny"]
    assert table["costs"]["one"]["queries"] == 3
    page = html.read_text("utf-8")
    assert "Pareto front" in page
    assert "no trace" not in page
    one.write_text(one.read_text().replace("anyrank", "other"))
    result = call("eval", folder / "qrels", one, "--json")
    assert json.loads(result.stdout)["costs"]["one"] is None
    assert "is of another state of" in result.stderr


def test_a_run_to_a_pipe_leaves_no_trace(folder):
    call("search", folder / "ix", "--queries", folder / "q.tsv", "-o", "/dev/null")
    assert not [p for p in folder.iterdir() if "trace" in p.name]


@pytest.mark.parametrize("documents", ["c.jsonl", "ix"])
def test_texts_of_queries_and_documents_are_shown(folder, documents):
    run, html = folder / "run", folder / "r.html"
    run.write_text("d0 Q0 d1 1 2 t\nd0 Q0 missing 2 1 t\n")
    texts = ["--queries", folder / "q.tsv", "--documents", folder / documents]
    result = call("eval", folder / "qrels", run, "--html", html, *texts)
    page = html.read_text("utf-8")
    assert "d0 wing lift flow" in page
    assert "d1 (grade 1): wing drag" in page
    assert "lacks 1 of the 2 documents" in result.stderr
    with pytest.raises(InputError, match="give --html or --figures too"):
        call("eval", folder / "qrels", run, *texts)


def test_figures_are_written_beside_the_table(folder):
    run = folder / "run"
    run.write_text("d0 Q0 d1 1 2 t\nd1 Q0 d0 1 1 t\n")
    call("eval", folder / "qrels", run, "--figures", folder / "figures")
    assert sorted(p.name for p in (folder / "figures").iterdir()) == ["flow-d0.svg", "flow-d1.svg", "flow-d3.svg"]


def test_the_query_itself_is_left_out_of_search_rerank_and_eval(folder):
    run, again = folder / "run.trec", folder / "again.trec"
    call("search", folder / "ix", "--queries", folder / "q.tsv", "-o", run)
    assert all(q in docs for q, docs in ids(run).items())
    call("search", folder / "ix", "--queries", folder / "q.tsv", "-o", again, "--ignore-self", "-k", 2)
    assert not any(q in docs for q, docs in ids(again).items())
    assert {len(docs) for docs in ids(again).values()} == {2}
    options = ["--queries", folder / "q.tsv", "--documents", folder / "c.jsonl", "-p", "tiny", "--ignore-self"]
    call("rerank", "--run", run, *options, "--depth", 2, "-o", folder / "better.trec")
    better = ids(folder / "better.trec")
    assert not any(q in docs for q, docs in better.items())
    assert {len(docs) for docs in better.values()} == {2}
    plain, ignoring = (
        json.loads(call("eval", folder / "qrels", run, "-m", "RR", "--json", *more).stdout)["values"]["run"]["RR"]
        for more in ([], ["--ignore-self"])
    )
    assert plain[0] == 1.0
    assert ignoring == [1.0, 1.0, 1.0]
    assert plain[1] == 0.5


def test_lists_lose_the_query_itself(folder):
    lists = folder / "lists.jsonl"
    docs = [{"id": "a", "text": "wing"}, {"id": "b", "text": "heat"}]
    lists.write_text(json.dumps({"query": {"id": "a", "text": "wing"}, "documents": docs}) + "\n")
    for more, expected in (([], ["a", "b"]), (["--ignore-self"], ["b"])):
        found = json.loads(call("rerank", lists, "-p", "prior", *more).stdout)
        assert [r["id"] for r in found["ranking"]] == expected


def test_residual_collections_and_condensed_lists(folder):
    run, seen = folder / "run", folder / "seen"
    run.write_text("d0 Q0 x 1 3 t\nd0 Q0 d1 2 2 t\nd1 Q0 d0 1 1 t\n")
    seen.write_text("d1 Q0 d0 1 2 t\nd1 Q0 d3 2 1 t\n")
    arguments = ["eval", folder / "qrels", run, "-m", "RR", "--json"]
    condensed = json.loads(call(*arguments, "--condensed").stdout)
    assert condensed["values"]["run"]["RR"][0] == 1.0
    assert "Condensed lists" in condensed["changes"][0]
    assert json.loads(call(*arguments, "--residual", seen).stdout)["queries"] == ["d0", "d3"]


def test_tests_of_ranks_of_all_pairs_and_of_equivalence(tmp_path):
    (tmp_path / "qrels").write_text("".join(f"q{i} 0 d 1\n" for i in range(9)))
    for name, rank in (("a", 1), ("b", 2), ("c", 3)):
        lines = [
            f"q{i} Q0 {'d' if r == rank + i % 2 else f'x{r}'} {r} {9 - r} t" for i in range(9) for r in range(1, 5)
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    runs = [tmp_path / n for n in "abc"]

    def pairs(*more):
        out = call("compare", tmp_path / "qrels", *runs, "-m", "RR", "--format", "pairs", *more).stdout
        return [(r["run"], r["baseline"], float(r["corrected"])) for r in csv.DictReader(io.StringIO(out))]

    assert [p[:2] for p in pairs()] == [("b", "a"), ("c", "a")]
    assert [p[:2] for p in pairs("--pairs", "all")] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert [p[:2] for p in pairs("--test", "tukey")] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert pairs("--test", "wilcoxon", "--correction", "none")[0][2] == pytest.approx(2 / 2**9)
    assert pairs("--test", "wilcoxon", "--correction", "bh")[0][2] <= pairs("--test", "wilcoxon")[0][2]
    text = call("compare", tmp_path / "qrels", *runs, "-m", "RR", "--equivalence", "0.9").stdout
    assert re.search(r"≈ equivalent to a: .*margin 0\.9", text)


def test_subtopics_of_a_file_reach_the_measure(tmp_path):
    (tmp_path / "diversity").write_text("1 1 a 1\n1 1 b 1\n1 2 c 1\n1 2 a 0\n")
    (tmp_path / "plain").write_text("1 0 a 1\n")
    (tmp_path / "run").write_text("1 Q0 a 1 3 t\n1 Q0 c 2 2 t\n1 Q0 b 3 1 t\n")
    table = json.loads(call("eval", tmp_path / "diversity", tmp_path / "run", "-m", "StRecall@2", "--json").stdout)
    assert table["values"]["run"]["StRecall@2"] == [1.0]
    with pytest.raises(InputError, match="needs judgements by subtopic"):
        call("eval", tmp_path / "plain", tmp_path / "run", "-m", "StRecall@2")
