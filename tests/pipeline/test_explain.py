"""Explaining pipelines: what a step does, costs and needs, counted against what really runs."""

import json

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Ranking
from anyrank.hub.registry import list_models
from anyrank.index.build import build
from anyrank.papers import load
from anyrank.papers import names as papers
from anyrank.pipeline.explain import explain
from anyrank.pipeline.needs import of_model
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.parts import Part
from anyrank.pipeline.table import FUSIONS, PARTS, model, names
from anyrank.testing import toy
from anyrank.testing.llm import OracleModel


def call(*arguments):
    result = CliRunner().invoke(cli, ["pipeline", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def test_every_name_that_a_pipeline_may_use_is_listed():
    rows = json.loads(call("list", "--json"))
    listed = [row["name"] for row in rows]
    assert [n for n in names() if n not in listed] == []
    assert [m.name for m in list_models() if f'model("{m.name}")' not in listed] == []
    assert {"mini", "bm25", "rrf", "rankgpt"} <= set(listed)
    assert all(row["about"] and "\n" not in row["about"] for row in rows)
    assert {row["kind"] for row in rows} == {"search", "stage", "fusion", "method", "rewriter", "model"}
    assert len(call("list").splitlines()) == len(rows)
    assert all("setwise" in line for line in call("list", "setwise").splitlines())
    assert set(FUSIONS) == {name for name in PARTS if not hasattr(PARTS[name], "about")}


@pytest.mark.parametrize("line", FUSIONS.values())
def test_the_examples_of_fusions_are_read(line, tmp_path):
    collection = build([Candidate("a", "wing")], tmp_path / "x")
    collection.encode(model("minilm"))
    assert parse(line.rpartition(": ")[2], Settings(collection))("wing").ids == ["a"]


def test_a_fusion_takes_its_settings(tmp_path):
    collection = build([Candidate("a", "wing"), Candidate("b", "wing lift")], tmp_path / "x")
    collection.encode(model("minilm"))
    ranking = parse("rrf(bm25, minilm, k=10)", Settings(collection))("wing lift")
    assert ranking[0].score == pytest.approx(2 / 11)
    assert parse("rrf(bm25, minilm)", Settings(collection))("wing lift")[0].score == pytest.approx(2 / 61)


@pytest.mark.parametrize(
    ("text", "sizes", "calls"),
    [
        ("bm25", [(0, 1000)], [0]),
        ("bm25 % 20 >> mini % 5", [(0, 20), (20, 20), (20, 5)], [0, 21, 0]),
        ("bm25(k=7) % 20", [(0, 7)], [0]),
        ("minilm % 3", [(0, 3)], [1]),
        ("bm25 % 10 + minilm % 10", [(0, 10), (0, 10), (0, 20)], [0, 1, 0]),
        ("2 * mini + prior", [(100, 100), (100, 100), (100, 100)], [101, 0, 0]),
        ("mini(depth=10)", [(100, 100)], [11]),
        ("cut(9) >> keep('x') >> tiny", [(100, 9), (9, 9), (9, 9)], [0, 0, 10]),
        ("passages('tiny')", [(100, 100)], [None]),
        ("rankgpt('m')", [(100, 100)], [9]),
        ("rankgpt('m', size=10, stride=5)", [(100, 100)], [19]),
        ("rankgpt('m', depth=20)", [(100, 100)], [1]),
        ("prp('m', sort='allpair', depth=10)", [(100, 100)], [90]),
        ("prp('m', max_calls=50)", [(100, 100)], [50]),
    ],
)
def test_sizes_and_calls_of_each_step(text, sizes, calls):
    steps = explain(text)
    assert [(step.before, step.after) for step in steps] == sizes
    assert [step.calls for step in steps] == calls


@pytest.mark.parametrize("options", ["", "sort='bubble'", "k=3", "children=2"])
def test_the_calls_of_a_method_are_at_least_those_that_it_takes(options):
    (step,) = explain(f"setwise('m'{', ' if options else ''}{options})", n=30)
    ranking, truth = toy(30)
    values = eval(f"dict({options})")  # the test's own texts
    used = load("setwise").build(OracleModel(truth), **values)(ranking).cost.usage.calls
    assert 0 < used <= step.calls
    assert step.bound


@pytest.mark.parametrize("name", sorted(papers()))
def test_every_method_is_explained(name):
    (step,) = explain(f"{name}('no-such-model')")
    assert step.does
    assert step.formula
    assert step.needs[0].there is False


@pytest.mark.parametrize(
    "name", ["bm25", "splade", "minilm", "mini", "tiny", "prior", "model('minilm')", "search('minilm')", "fde('tiny')"]
)
def test_every_built_in_name_is_explained(name):
    assert explain(name)[0].does


def test_what_really_runs_takes_as_many_calls():
    ranking = Ranking.of("q", [f"text {i}" for i in range(12)])
    _, step = explain("prior >> mini", n=12)
    assert parse("mini", starts=False)(ranking).cost.usage.calls == step.calls == step.texts == 13


def needs(text, index=None):
    return {need.what: need.there for step in explain(text, index) for need in step.needs}


def test_needs_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("KEY", "")
    collection = build([Candidate("a", "wing")], tmp_path / "x")
    before = needs("bm25 + minilm", collection)
    assert before["an index of words"] is True
    assert before["vectors of minilm in the index"] is False
    collection.encode(model("minilm"))
    assert needs("minilm", collection)["vectors of minilm in the index"] is True
    assert needs("bm25")["an index of words"] is None
    assert needs("model('owner/name')", collection)["the model owner/name"] is False
    (tmp_path / "hub/hub/models--owner--name/snapshots").mkdir(parents=True)
    assert needs("mini >> model('owner/name')")["the model owner/name"] is True
    server = needs("rankgpt('openai:m@http://127.0.0.1:9/v1#key_env=KEY')")
    assert server["the server http://127.0.0.1:9/v1"] is None
    assert server["the key in KEY"] is False
    monkeypatch.setenv("KEY", "secret")
    assert needs("rankgpt('openai:m@http://127.0.0.1:9/v1#key_env=KEY')")["the key in KEY"] is True
    assert "secret" not in call("explain", "rankgpt('openai:m@http://127.0.0.1:9/v1#key_env=KEY')")


def test_absent_vectors_are_named_with_the_cure(tmp_path):
    collection = build([Candidate("a", "wing")], tmp_path / "x")
    (need,) = [n for step in explain("minilm", collection) for n in step.needs if "vectors" in n.what]
    assert need.state == f"missing: anyrank index {tmp_path / 'x'} --encode minilm"


def test_vectors_of_token_states_are_a_first_search_and_a_second_one(tmp_path):
    collection = build([Candidate("a", "wing")], tmp_path / "x")
    steps = explain("bm25 % 3 >> rm3 >> fde('tiny', planes=4) % 50 >> tiny", collection)
    assert [(step.before, step.after) for step in steps] == [(0, 3), (3, 3), (3, 50), (50, 50)]
    (need,) = [n for n in steps[2].needs if "vectors" in n.what]
    assert need.state == f"missing: anyrank index {tmp_path / 'x'} --encode 'fde:tiny#planes=4'"
    assert explain("fde('tiny') % 50 >> tiny")[1].after == 50
    assert explain("fde('tiny') + bm25")[2].after == 2000


def test_a_plug_in_s_step_that_takes_a_model_is_explained(monkeypatch):
    part = Part("a plug-in's reranker", then=lambda settings, model: None)
    monkeypatch.setitem(explain.__globals__, "all_names", lambda: {**names(), "other": part})
    assert explain("bm25 >> other('x')")[1].does == "a plug-in's reranker"


def test_the_package_that_a_model_needs_is_that_of_its_kind(monkeypatch, tmp_path):
    monkeypatch.setenv("ANYRANK_CACHE", str(tmp_path))  # nothing is fetched, so only the registry tells
    language = [m.name for m in list_models(kind="language")]
    assert {m.hub == "" for m in list_models(kind="language")} == {True, False}  # of wheels and of the hub
    assert {of_model(name)[1].what for name in language} == {"the package transformers"}
    assert of_model("bge-reranker-v2-m3")[1].what == "the package torch"
    assert of_model("e5-small")[1].what == "the package onnxruntime"


def test_the_command_says_all_in_a_few_lines(tmp_path):
    build([Candidate("a", "wing")], tmp_path / "x")
    text = call("explain", "bm25 % 100 >> mini", "--index", str(tmp_path / "x"))
    assert "finds the best 100 documents" in text
    assert "101 calls, 101 texts read" in text
    assert "an index of words (there)" in text
    assert text.endswith("in all: 101 model calls a query\n")
    rows = json.loads(call("explain", "prior >> mini", "-n", "1", "--json"))
    assert (rows[1]["calls"], rows[1]["after"]) == (2, 1)


@pytest.mark.parametrize("text", ["nosuch", "bm25(k='a')", "mini >> bm26", "setwise()", "bm25 %"])
def test_what_is_no_pipeline_is_an_error(text):
    with pytest.raises(InputError):
        explain(text)


def test_one_call_is_no_calls():
    from anyrank.papers import card

    output = CliRunner().invoke(cli, ["papers", "list"], standalone_mode=False).output
    assert " 1 call " in output
    assert " 1 calls" not in output
    assert "1 calls" not in str(card("fullrank"))
    assert "1 rounds" not in str(card("fullrank"))
