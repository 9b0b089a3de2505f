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
