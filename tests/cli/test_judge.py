"""``anyrank judge`` by its keys: verdicts, take back, stop and go on, and what is written."""

import json

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.io.qrels import read_qrels

QUERIES = range(12)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = {f"{kind}{n}": f"{kind} text {n} \x1b[31m" for n in QUERIES for kind in ("good", "bad", "long")}
    texts |= {f"long{n}": "word " * 500 + "end" for n in QUERIES}
    corpus = "".join(json.dumps({"_id": d, "text": t}) + "\n" for d, t in texts.items())
    (tmp_path / "corpus.jsonl").write_text(corpus)
    (tmp_path / "topics.tsv").write_text("".join(f"q{n}\twhat is {n}\n" for n in QUERIES))
    for name, order in (("a", ("good", "long")), ("b", ("bad", "long"))):
        rows = [f"q{n} Q0 {kind}{n} {r} {9 - r} {name}\n" for n in QUERIES for r, kind in enumerate(order, 1)]
        (tmp_path / f"{name}.trec").write_text("".join(rows))
    return tmp_path


def call(*options, keys=""):
    fixed = ["judge", "a.trec", "b.trec", "--queries", "topics.tsv", "--documents", "corpus.jsonl", "-o", "my.qrels"]
    done = CliRunner().invoke(cli, [*fixed, *options], input=keys, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_a_verdict_by_keys(files, monkeypatch):
    shown = []
    monkeypatch.setattr("anyrank.cli.judge._show", lambda s, query, document, shortened: shown.append(document))
    monkeypatch.setattr("anyrank.cli.judge._key", lambda: "3" if shown[-1].startswith("good") else "0")
    done = call("--who", "ann", "--json")
    result = json.loads(done.stdout)
    (d,) = result["differences"]
    assert d["verdict"] == "a"
    assert 0 < d["low"] <= d["estimate"] <= d["high"]
    assert result["judged"] == len(shown) <= result["pool"] == 24  # ranked alike by both, the long ones are in no pool
    qrels = read_qrels("my.qrels")
    assert sum(map(len, qrels.values())) == len(shown)
    assert all(g == (3 if i.startswith("good") else 0) for docs in qrels.values() for i, g in docs.items())
    rows = [json.loads(line) for line in (files / "my.qrels.jsonl").read_text().splitlines()]
    assert {r["who"] for r in rows} == {"ann"}
    assert not (files / "my.qrels.journal").exists()


def test_stopped_and_gone_on_with(files):
    done = call(keys="31u2xmq")
    assert "wrote my.qrels and my.qrels.jsonl: 2 judgements" in done.stderr
    assert "--resume goes on" in done.stderr
    assert "0 to 3, u to take back" in done.stderr
    assert "still open" in done.stdout
    assert "\x1b" not in done.stdout
    assert " a " not in done.stdout.split("SDCG@10")[0]  # no run is named while judging
    assert [json.loads(x)["label"] for x in (files / "my.qrels.jsonl").read_text().splitlines()] == [3, 2]
    with pytest.raises(InputError, match="resume the job"):
        call()
    assert "wrote my.qrels and my.qrels.jsonl: 3 judgements" in call("--resume", keys="0q").stderr
    with pytest.raises(InputError, match="begun with settings"):
        call("--resume", "--seed", "1")


def test_nothing_judged_leaves_nothing(files):
    call(keys="q")
    assert not (files / "my.qrels").exists()
    assert not (files / "my.qrels.journal").exists()


def test_labels_of_another_judge_are_named(files):
    (files / "lm.qrels").write_text("".join(f"q{n} 0 good{n} 3\nq{n} 0 bad{n} 1\n" for n in QUERIES))
    done = call("--labels", "lm.qrels", "--labels-by", "gpt-x", "--go-on", keys="31213q")
    assert "agreement with gpt-x: kappa" in done.stdout
    assert "the labels of gpt-x narrowed the interval and are no judgements" in done.stdout
    assert sum(map(len, read_qrels("my.qrels").values())) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "a.trec"], "needs --labels-by"),
        (["-p", "bm25"], "give two runs or more"),
        (["-m", "nDCG@10"], "sums over documents"),
        (["--index", "x"], "two pipelines"),
    ],
)
def test_what_is_wrong_is_named(files, options, message):
    with pytest.raises(InputError, match=message):
        call(*options)


def test_texts_that_are_missing_are_named(files):
    (files / "topics.tsv").write_text("q0\tone\n")
    with pytest.raises(InputError, match="11 queries of the runs have no text, such as 'q1'"):
        call()
    (files / "topics.tsv").write_text("".join(f"q{n}\twhat is {n}\n" for n in QUERIES))
    (files / "corpus.jsonl").write_text('{"_id": "good0", "text": "x"}\n')
    with pytest.raises(InputError, match="lacks 23 documents of the runs, such as 'bad0'"):
        call()


def test_pipelines_over_an_index(files):
    CliRunner().invoke(cli, ["index", "corpus.jsonl", "-o", "my.index"], standalone_mode=False)
    options = ["judge", "--index", "my.index", "-p", "bm25 % 1", "-p", "bm25 % 2", "--queries", "topics.tsv"]
    done = CliRunner().invoke(cli, [*options, "-o", "x.qrels"], input="0\nq\n", standalone_mode=False)
    assert done.exception is None
    assert "x.qrels.jsonl: 1 judgements" in done.stderr


def test_judgements_of_an_earlier_session_are_kept(files):
    (files / "my.qrels").write_text("q0 0 good0 3\n")
    for options in ([], ["--resume"]):
        with pytest.raises(InputError, match="it holds finished results: use --overwrite"):
            call(*options, keys="0q")
        assert (files / "my.qrels").read_text() == "q0 0 good0 3\n"
    call("--overwrite", keys="0q")
    assert (files / "my.qrels").read_text() != "q0 0 good0 3\n"
    call("--resume", keys="0q")
    assert sum(map(len, read_qrels("my.qrels").values())) == 2
