"""Recipes whose data are in other formats than ours: each is read, and what can't be read is named with its cure."""

import json

import pytest
from click.testing import CliRunner

from anyrank.cli.train import train_command
from anyrank.core.errors import InputError
from anyrank.train.group import Group
from anyrank.train.recipe import read_recipe
from anyrank.train.sources import Source, looks_like, read_source, read_sources

DOCUMENTS = {"d1": "lift of wing", "d2": "drag of plate", "d3": "heat flow"}
FLAG = {"query": "why lift", "pos": ["lift of wing"], "neg": ["heat flow"], "pos_scores": [9.5], "neg_scores": [1.5]}
ORDER = {"qid": "q1", "initial_list": ["d1", "d2", "d3"], "final_list": ["d3", "d1", "d2"]}


@pytest.fixture
def folder(tmp_path):
    """A collection in BEIR's layout, a run over it, and a file a format."""
    queries = [{"_id": "q1", "text": "why lift"}, {"_id": "q2", "text": "what heat"}]
    files = {
        "corpus.jsonl": [{"_id": i, "title": "", "text": t} for i, t in DOCUMENTS.items()],
        "queries.jsonl": queries,
        "flag.jsonl": [FLAG],
        "orders.jsonl": [ORDER],
        "short.jsonl": [{**ORDER, "final_list": ["d3"]}],
    }
    for name, rows in files.items():
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in rows))
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t1\n")
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td3\t1\n")
    (tmp_path / "run.trec").write_text("q1 Q0 d3 1 9 t\nq1 Q0 d1 2 8 t\nq1 Q0 d2 3 7 t\nq2 Q0 d3 1 9 t\n")
    (tmp_path / "texts.tsv").write_text("why lift\tlift of wing\theat flow\nwhy lift\tlift of wing\tdrag of plate\n")
    (tmp_path / "ids.tsv").write_text("q1\td1\td3\nq1\td1\td2\nq2\td3\td1\n")
    (tmp_path / "scored.tsv").write_text("5.8997\t2.2803\tq1\td1\td2\n")
    return tmp_path


IDS = {"queries": "queries.jsonl", "documents": "corpus.jsonl"}
CASES = {
    "groups": ("flag.jsonl", {}, [("", (9.5, 1.5), 2)]),
    "groups without scores": ("flag.jsonl", {"scores": False}, [("", (1.0, 0.0), 2)]),
    "triples": ("texts.tsv", {}, [("", (1.0, 0.0), 2)] * 2),
    "triples merged": ("texts.tsv", {"merge": True}, [("", (1.0, 0.0, 0.0), 3)]),
    "triples of ids": ("ids.tsv", IDS, [("q1", (1.0, 0.0), 2)] * 2 + [("q2", (1.0, 0.0), 2)]),
    "teacher_scores": ("scored.tsv", IDS, [("q1", (5.8997, 2.2803), 2)]),
    "permutations": ("orders.jsonl", IDS, [("q1", (2.0, 1.0, 3.0), 3)]),
    "permutations mended": ("short.jsonl", {**IDS, "mend": True}, [("q1", (2.0, 1.0, 3.0), 3)]),
    "judged": (".", {}, [("q1", (2.0, 1.0), 2)]),
    "judged with a run": (".", {"run": "run.trec", "depth": 2}, [("q1", (0.0, 2.0, 1.0), 3)]),
    "judged test": (".", {"split": "test"}, [("q2", (1.0,), 1)]),
}


def said(folder, case):
    """A case as a recipe's entry."""
    path, options, _ = CASES[case]
    paths = ("queries", "documents", "run")
    given = {k: str(folder / v) if k in paths else v for k, v in options.items()}
    return {"format": case.split()[0], "path": str(folder / path), **given}


@pytest.mark.parametrize("case", CASES)
def test_each_format_is_read_by_a_recipe(folder, case):
    (folder / "recipe.yaml").write_text(json.dumps({"out": "x", "data": {"train": [said(folder, case)]}}))
    groups = read_sources(read_recipe(folder / "recipe.yaml").data.train)
    assert [(g.id, g.labels, len(g.texts)) for g in groups] == CASES[case][2]
    assert all(g.query in ("why lift", "what heat") and set(g.texts) <= set(DOCUMENTS.values()) for g in groups)
    assert ("run" in case) == any(g.priors for g in groups)


def test_collections_hold_the_texts_of_ids(folder):
    source = Source(format="triples", path=str(folder / "ids.tsv"), queries=str(folder), documents=str(folder))
    assert next(read_source(source)) == Group.from_texts(
        "why lift", ("lift of wing", "heat flow"), (1.0, 0.0), "q1", ("d1", "d3")
    )


def test_the_command_trains_on_a_mixture(folder, words):
    entries = [*(said(folder, c) for c in ("triples merged", "teacher_scores", "permutations", "judged with a run"))]
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    whole = {
        "out": str(folder / "out"), "model": {"tokenizer": str(words), "shape": shape, "max_length": 16},
        "data": {"train": [str(folder / "flag.jsonl"), *entries], "valid": [said(folder, "groups without scores")]},
        "optimiser": {"steps": 1, "batch": 2}, "check": {"measure": ["RR", "R@1"]}, "export": {"int8": False},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(json.dumps(whole))
    done = CliRunner().invoke(train_command, [str(folder / "recipe.yaml")], standalone_mode=False)
    assert done.exception is None, done.exception
    assert json.loads((folder / "out/training.json").read_text())["groups"] == 5
    assert "scored.tsv (teacher_scores)" in (folder / "out/README.md").read_text()
    assert "R@1" in done.output


@pytest.mark.parametrize(
    ("path", "entry", "says"),
    [
        ("texts.tsv", {}, "texts.tsv:1: broken JSON"),
        ("texts.tsv", {}, "looks like triples: give it as {format: triples, path: "),
        ("scored.tsv", {}, "looks like teacher_scores: give it as {format: teacher_scores"),
        ("orders.jsonl", {}, "orders.jsonl:1: "),
        ("orders.jsonl", {}, "looks like permutations: give it as {format: permutations"),
        ("flag.jsonl", {"format": "triples"}, "flag.jsonl:1: expected 3 tab-separated columns"),
        ("flag.jsonl", {"format": "triples"}, "looks like groups: give it as {format: groups"),
        ("orders.jsonl", {"format": "permutations"}, "orders.jsonl:1: this file holds ids: give queries and documents"),
        ("short.jsonl", {"format": "permutations", **IDS}, "short.jsonl:1: the order is no permutation"),
        (".", {"format": "judged", "split": "dev"}, "has no judgements 'dev' (there are: test, train)"),
    ],
)
def test_what_is_not_read_is_named_with_its_cure(folder, path, entry, says):
    given = {k: str(folder / v) if k in IDS else v for k, v in entry.items()}
    with pytest.raises(InputError) as caught:
        read_sources([Source(path=str(folder / path), **given)])
    assert says in str(caught.value)


def test_ids_that_are_read_as_texts_are_told(folder, caplog):
    next(read_source(Source(format="triples", path=str(folder / "ids.tsv"))))
    assert "'q1' looks like an id, not a text: for ids give queries and documents" in caplog.text


def test_looks(folder):
    found = {
        name: looks_like(str(folder / name)) for name in ("", "ids.tsv", "scored.tsv", "flag.jsonl", "corpus.jsonl")
    }
    assert list(found.values()) == ["judged", "triples", "teacher_scores", "groups", None]
    assert looks_like(str(folder / "nowhere")) is None


@pytest.mark.parametrize(
    ("entry", "line", "says"),
    [
        ("{format: tripels, path: a}", 1, "data.train[0].format: 'tripels' is none of groups, triples, teacher_scores"),
        ("{format: triples}", 1, "data.train[0]: the key 'path' is missing"),
        ("{format: triples, path: a, split: dev}", 1, "the format triples has no option split: leave it out"),
        ("{format: judged, path: a, mend: true}", 1, "judged has no option mend: leave it out (it has split, run, d"),
        ("{format: triples, path: a, queries: b}", 1, "a file of ids needs both queries and documents"),
        ("[a]", 1, "data.train[0]: expected a text, found ['a']"),
    ],
)
def test_mistakes_in_a_recipe_are_named_with_their_line(tmp_path, entry, line, says):
    (tmp_path / "recipe.yaml").write_text(f"data: {{train: [{entry}]}}\nout: a\n")
    with pytest.raises(InputError) as caught:
        read_recipe(tmp_path / "recipe.yaml")
    assert f"recipe.yaml:{line}: " in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["msmarco.jsonl", "nq.jsonl.gz", "reranker_normal.jsonl"])
def test_published_examples_are_read_by_a_recipe(data, name):
    path = str(data / "reranker-train-examples" / name)
    assert looks_like(path) == "groups"
    assert len(read_sources([path])) == len(read_sources([Source(path=path, scores=False)])) == 10
