"""anyrank synth and anyrank adapt from the command line."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.trace import Usage
from anyrank.train.groups import read_groups

TOPICS = "wing lift drag flow heat plate shock layer tide moon".split()  # noqa: SIM905


def text(i):
    a, b, c = TOPICS[i % 10], TOPICS[(i * 3 + 1) % 10], TOPICS[(i * 7 + 2) % 10]
    return f"About {a} {i} and {b}. The {c} number {i} is found near the {a}. It was seen by the {b} team {i}."


def write_corpus(path, n):
    rows = [{"_id": f"d{i}", "title": f"On {TOPICS[i % 10]} case {i}", "text": text(i)} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus.jsonl", 40)


class Writer:
    """Writes a query of the document's number; can fail, and be counted."""

    def __init__(self, broken=""):
        self.prompts, self.broken = [], broken

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.prompts += prompts
        return [self._answer(str(p).rpartition("Document:")[2]) for p in prompts]

    def _answer(self, text):
        if self.broken and self.broken in text:
            return Completion("", Usage(1), "error", "no server")
        words = text.split()
        return Completion(f" what is {words[1]} case {words[3]}?", Usage(1, 100, 10))


def run(monkeypatch, *args, code=0, writer=None):
    if writer is not None:
        monkeypatch.setattr(import_module("anyrank.pipeline.methods"), "language_model", lambda name: writer)
    done = CliRunner().invoke(cli, list(map(str, args)), standalone_mode=False)
    if done.exception:
        raise done.exception
    assert (done.return_value or 0) == code, done.stderr
    return done.stderr


def test_rules_make_groups_with_negatives_and_a_report(monkeypatch, corpus, tmp_path):
    out, page = tmp_path / "g.jsonl", tmp_path / "r.html"
    said = run(monkeypatch, "synth", "questions", corpus, "-o", out, "--report", page)
    groups = list(read_groups(out))
    assert {g.id.split("-")[0] for g in groups} >= {"title", "cloze"}
    assert all(g.labels[0] == 1 and set(g.labels[1:]) == {0.0} and len(g.labels) == 7 for g in groups)
    assert all(len(set(g.ids)) == len(g.ids) for g in groups)
    assert f"wrote {out}" in said
    assert str(groups[0].query) in page.read_text()


def test_a_model_is_resumed_within_its_budget_and_ends_as_one_run(monkeypatch, corpus, tmp_path):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    args = ["synth", "questions", corpus, "--model", "fake"]
    said = run(monkeypatch, *args, "-o", whole, writer=Writer())
    assert "cost: 40 calls, 4,000 prompt and 400 completion tokens" in said
    said = run(monkeypatch, *args, "-o", part, "--max-tokens", "1000", writer=Writer(), code=1)
    assert "24 are not made, since the budget of 1,000 tokens is spent" in said
    again = Writer()
    said = run(monkeypatch, *args, "-o", part, "--resume", "--overwrite", writer=again)
    assert len(again.prompts) == 24
    assert part.read_text() == whole.read_text()
    assert "cost: 40 calls" in said
    assert not Path(f"{part}.journal").exists()


def test_failed_documents_are_tried_again(monkeypatch, corpus, tmp_path):
    out = tmp_path / "g.jsonl"
    args = ["synth", "duqgen", corpus, "--model", "fake", "-o", out, "--least", "10", "--n", "12", "--clusters", "4"]
    said = run(monkeypatch, *args, writer=Writer(broken="On"), code=1)
    assert "12 failed" in said
    run(monkeypatch, *args, "--resume", writer=Writer())
    assert 8 <= len(list(read_groups(out))) <= 12


def test_a_job_ends_once_nothing_is_answered(monkeypatch, tmp_path):
    corpus, out = write_corpus(tmp_path / "long.jsonl", 100), tmp_path / "g.jsonl"
    args = ["synth", "questions", corpus, "--model", "fake", "-o", out, "--top", "0"]
    lost = Writer(broken="On")
    said = run(monkeypatch, *args, writer=lost, code=1)
    assert len(lost.prompts) == 64
    assert "36 are not made, since 64 in a row failed: the same command with --resume goes on" in said
    again = Writer()
    assert "from 100" in run(monkeypatch, *args, "--resume", writer=again)
    assert len(again.prompts) == 100


def test_finished_results_are_not_replaced(monkeypatch, corpus, tmp_path):
    out = tmp_path / "g.jsonl"
    out.write_text("{}\n")
    with pytest.raises(InputError, match="finished results"):
        run(monkeypatch, "synth", "questions", corpus, "-o", out)


def test_car_changes_queries_alone(monkeypatch, tmp_path):
    groups, out = tmp_path / "g.jsonl", tmp_path / "o.jsonl"
    row = {"query": "wing", "texts": ["A wing gives lift to planes", "heat"], "labels": [1, 0]}
    groups.write_text(json.dumps(row) + "\n")
    run(monkeypatch, "synth", "car", groups, "-o", out)
    (old,), (new,) = list(read_groups(groups)), list(read_groups(out))
    assert str(new.query).startswith("wing ")
    assert (new.texts, new.labels) == (old.texts, old.labels)


def test_code_out_of_a_folder(monkeypatch, tmp_path):
    folder, out = tmp_path / "src", tmp_path / "o.jsonl"
    folder.mkdir()
    body = "    values = sorted(values)\n    middle = len(values) // 2\n    return values[middle]\n"
    source = f'def median(values):\n    """The median of a list of values."""\n{body}\n\n'
    source += 'def short(x):\n    """No."""\n    return x\n'
    (folder / "a.py").write_text(source)
    said = run(monkeypatch, "synth", "cornstack", folder, "-o", out, "--threshold", "0.2")
    assert [g.query for g in read_groups(out)] == ["The median of a list of values."]
    assert "1 docstring too short" in said
    assert "from 2" in said


def test_clicks_become_grades(monkeypatch, corpus, tmp_path):
    pytest.importorskip("sklearn")
    from dataclasses import asdict, replace

    from anyrank.synth.clicks import simulated

    log, truth = simulated(30, 5)
    names = {f"d{r}": f"d{r}" for r in range(5)}
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(asdict(replace(c, id=names[c.id]))) + "\n" for c in log))
    (tmp_path / "q.tsv").write_text("".join(f"q{i}\tquery {i}\n" for i in range(30)))
    judged = [f"{q} 0 {d} {g}\n" for q in list(truth)[:15] for d, g in truth[q].items()]
    (tmp_path / "qrels.txt").write_text("".join(judged))
    args = ["--judged", tmp_path / "qrels.txt", "--queries", tmp_path / "q.tsv", "--documents", corpus]
    run(monkeypatch, "synth", "clicks", tmp_path / "log.jsonl", *args, "-o", tmp_path / "o.jsonl")
    groups = list(read_groups(tmp_path / "o.jsonl"))
    assert len(groups) == 30
    assert all(0 <= label <= 4 for g in groups for label in g.labels)


def test_answers_out_of_an_index(monkeypatch, corpus, tmp_path):
    run(monkeypatch, "index", corpus, "-o", tmp_path / "i")
    (tmp_path / "q.tsv").write_text("a\twing lift\nb\theat plate\nc\ttide moon\n")
    run(monkeypatch, "synth", "answers", tmp_path / "q.tsv", "--index", tmp_path / "i", "-o", tmp_path / "o.jsonl")
    groups = list(read_groups(tmp_path / "o.jsonl"))
    assert [g.id for g in groups] == ["a", "b", "c"]
    assert "wing" in groups[0].texts[0]
    assert len(groups[0].texts) == 3


@pytest.fixture
def adapted(monkeypatch, corpus, tmp_path):
    """Runs anyrank adapt with a tiny student."""
    torch = pytest.importorskip("torch")
    from anyrank.testing.tiny import encoder

    torch.set_num_threads(1)
    encoder(tmp_path / "start", task="cross")
    run(monkeypatch, "index", corpus, "-o", tmp_path / "i")

    def go(*more, out="out", index="i"):
        args = [
            "--start",
            tmp_path / "start",
            "--with",
            "tiny",
            "--groups",
            "16",
            "--lists",
            "16",
            "-o",
            tmp_path / out,
        ]
        run(monkeypatch, "adapt", tmp_path / index, *args, *more)
        return json.loads((tmp_path / out / "adapt.json").read_text())

    return go


def test_adapt_says_what_came_of_it(adapted, tmp_path):
    outcome = adapted()
    assert outcome["verdict"] in ("gained", "nothing gained", "refused")
    assert outcome["pipeline"].startswith("bm25 % 100 >> ")
    assert outcome["verdict"] in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(InputError, match="finished adaptation"):
        adapted()
    assert adapted("--overwrite") == outcome


def test_judged_queries_of_an_adaptation_may_be_those_of_a_collection(adapted, tmp_path):
    with pytest.raises(InputError, match=r"none of the 225 queries of demo .* do the ids of demo belong"):
        adapted("--queries", "demo")
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text('{"_id": "d1", "text": "lift"}\n')
    (beir / "queries.jsonl").write_text('{"_id": "q1", "text": "wing lift"}\n')
    for part in ("dev", "test"):
        (beir / "qrels" / f"{part}.tsv").write_text("q1\td1\t1\n")
    with pytest.raises(InputError, match="several parts: name one with --split"):
        adapted("--queries", beir, out="other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="--queries and --qrels go together"):
        adapted("--queries", beir / "queries.jsonl", out="other")


def test_half_of_the_pairs_wrong_is_refused_with_the_reason(monkeypatch, adapted, tmp_path):
    run(monkeypatch, "index", write_corpus(tmp_path / "large.jsonl", 400), "-o", tmp_path / "large")

    def write(wrong):
        """Pairs of which so many of the first have the query of the document 200 further on."""
        numbers = [(i, i + 205 if i < wrong else i) for i in range(100)]
        rows = [
            {"query": f"On {TOPICS[q % 10]} case {q}", "texts": [text(d)], "labels": [1], "ids": [f"d{d}"]}
            for d, q in numbers
        ]
        (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        return tmp_path / "pairs.jsonl"

    outcome = adapted("--pairs", write(50), index="large")
    assert outcome["verdict"] == "refused"
    assert "of the queries find their document" in outcome["reason"]
    assert "the pairs look wrong" in outcome["reason"]
    assert outcome["pipeline"].startswith("bm25 % 100 >> ")
    assert "the pairs look wrong" not in adapted("--pairs", write(0), "--overwrite", index="large")["reason"]


def test_sampled_documents_fall_into_every_part_of_the_data(monkeypatch, tmp_path):
    from anyrank.cli.adapt import HELD_OUT, _sampled
    from anyrank.index.collection import Collection
    from anyrank.synth.lists import part_of

    run(monkeypatch, "index", write_corpus(tmp_path / "large.jsonl", 400), "-o", tmp_path / "large")
    collection = Collection.open(tmp_path / "large")
    parts = [part_of(d.id) for d in _sampled(collection, list(collection.documents()), 60, 0)]
    assert len(parts) == 60
    assert 6 <= sum(p < HELD_OUT for p in parts) <= 30


def test_adapt_leaves_other_folders_and_unfinished_work_alone(adapted, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my notes")
    with pytest.raises(InputError, match="no adaptation's"):
        adapted(out="mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "my notes"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text('"begun"')
    with pytest.raises(InputError, match="--resume goes on, --overwrite begins anew"):
        adapted()
    with pytest.raises(InputError, match="other arguments"):
        adapted("--resume")


def test_adapt_overwrites_an_earlier_model_too(tmp_path):
    from anyrank.cli.adapt import _begin

    out = tmp_path / "out"
    _begin(out, {"seed": 0}, resume=False)
    for name in ("adapt.json", "README.md", "model.safetensors", "model_int8.onnx"):
        (out / name).write_text("old")
    _begin(out, {"seed": 0}, resume=True)
    assert (out / "model.safetensors").exists()
    _begin(out, {"seed": 1}, resume=False)
    assert [p.name for p in out.iterdir()] == ["settings.json"]


def test_adapt_names_what_is_wrong_before_it_writes(monkeypatch, adapted, tmp_path):
    with pytest.raises(InputError, match="no stage is called 'nosuch'"):
        adapted("--teacher", "nosuch")
    queries, qrels = tmp_path / "q.tsv", tmp_path / "qrels.txt"
    queries.write_text("1\twing lift\n")
    with pytest.raises(InputError, match="can't be read"):
        adapted("--queries", queries, "--qrels", qrels)
    blank = tmp_path / "blank.jsonl"
    blank.write_text('{"_id": "a", "text": ""}\n')
    run(monkeypatch, "index", blank, "-o", tmp_path / "blank")
    with pytest.raises(InputError, match="none of its 1 documents has a text"):
        adapted(index="blank")
    assert not (tmp_path / "out").exists()
    qrels.write_text("1 0 unknown 1\n")
    with pytest.raises(InputError, match=r"none of the 1 queries .* belong to this index"):
        adapted("--queries", queries, "--qrels", qrels)
    short = write_corpus(tmp_path / "short.jsonl", 1)
    short.write_text('{"_id": "a", "text": "wing"}\n')
    run(monkeypatch, "index", short, "-o", tmp_path / "short")
    with pytest.raises(InputError, match="no query could be written for the 1 documents"):
        adapted(index="short", out="short-out")

    class Silent(Writer):
        def _answer(self, text):
            return Completion(" ", Usage(1, 100, 1))

    monkeypatch.setattr(import_module("anyrank.pipeline.methods"), "language_model", lambda name: Silent())
    with pytest.raises(InputError, match=r"m wrote none that can be used \(\{'empty': 1\}\): try another model"):
        adapted("--model", "m", index="short", out="silent")


def test_documents_without_text_and_broken_examples_are_errors(monkeypatch, corpus, tmp_path):
    blank, examples = tmp_path / "blank.jsonl", tmp_path / "examples.jsonl"
    blank.write_text('{"_id": "a", "text": ""}\n')
    with pytest.raises(InputError, match="none of its 1 documents has a text"):
        run(monkeypatch, "synth", "questions", blank, "-o", tmp_path / "g")
    examples.write_text("{broken\n")
    with pytest.raises(InputError, match="broken JSON"):
        run(
            monkeypatch,
            "synth",
            "questions",
            corpus,
            "-o",
            tmp_path / "h",
            "--model",
            "m",
            "--examples",
            examples,
            writer=Writer(),
        )
    blank.write_text('{"_id": "a", "text": "wing"}\n')
    messages = run(monkeypatch, "synth", "questions", blank, "-o", tmp_path / "i")
    assert "nothing to train on" in messages


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("car", "g.jsonl", "--blind"), "give a --model"),
        (("answers", "q.tsv", "--index", "i", "--model", "m"), "leave one of the two out"),
        (("answers", "one.tsv", "--index", "i"), "one query alone"),
        (("answers", "q.tsv", "--index", "i", "--people", "g.jsonl"), "none of its groups has the id of a query"),
        (("clicks", "l.jsonl", "--judged", "j", "--queries", "q", "--documents", "d"), "has the result 'd' twice"),
        (("clicks", "m.jsonl", "--judged", "j", "--queries", "q", "--documents", "d"), "unknown field 'clics'"),
    ],
)
def test_options_and_records_that_go_nowhere_are_errors(tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    Path("g.jsonl").write_text('{"id": "x", "query": "q", "pos": ["a"], "neg": ["b"]}\n')
    Path("q.tsv").write_text("1\twhat is lift\n2\twhat is drag\n")
    Path("one.tsv").write_text("1\twhat is lift\n")
    row = {"query": "q", "id": "d", "impressions": 1, "clicks": 0}
    Path("l.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n")
    Path("m.jsonl").write_text(json.dumps(row | {"clics": 1}) + "\n")
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(cli, ["synth", *args, "-o", "o.jsonl"], standalone_mode=False, catch_exceptions=False)
