"""One-line uses: what they refuse."""

import subprocess
import sys

import pytest

import anyrank as ar
from anyrank.core.stage import Each
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text


def test_one_text_is_no_list_of_documents():
    with pytest.raises(ar.InputError, match="documents is one text"):
        ar.rerank("q", "one text", Each(lambda r: r))


@pytest.mark.parametrize("top", [0, -1])
def test_top_is_at_least_one(top):
    with pytest.raises(ar.InputError, match="at least 1"):
        ar.rerank("q", ["a", "b"], Each(lambda r: r), top=top)


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_the_shipped_rerankers_know_what_answers_a_question(name):
    texts = [
        "The bank of the river is steep.",
        "Interest rates of banks rose in May.",
        "Banks pay interest on deposits.",
    ]
    best = ar.rerank("do banks pay interest on savings", texts, name)
    assert best.ids == ["2", "1", "0"]
    assert (best.status, best.cost.usage.calls) == ("ok", 4)


@pytest.mark.parametrize("name", ["mini", "tiny", "minilm"])
def test_long_texts_are_read_in_passages(name):
    long = " ".join(["Rivers have banks of sand and stone."] * 60 + ["Banks pay interest on deposits."])
    best = ar.rerank("do banks pay interest on savings", ["Soup needs salt.", long], f'passages("{name}")')
    assert best.ids == ["1", "0"]
    assert best.cost.usage.truncated == 0


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_rerankers_do_not_search(name):
    with pytest.raises(ar.InputError, match=name):
        parse(f"{name} % 10", starts=True)


def test_a_pipeline_searches_a_folder_or_what_is_opened(tmp_path):
    folder = tmp_path / "c.index"
    build([Candidate("a", "wings lift"), Candidate("b", "soup")], folder)
    opened = Collection.open(folder)
    for index in (folder, str(folder), opened):
        stage = ar.pipeline("bm25(k=3) % 2", index)
        assert stage("wings").ids == ["a"]
        assert text(stage) == "bm25(k=3) % 2"


def test_the_function_keeps_its_name_beside_the_room_of_pipelines():
    code = "import anyrank as ar; import anyrank.pipeline.parser, anyrank.pipeline.text; ar.pipeline('mini')"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import anyrank.pipeline.parser; import anyrank as ar; ar.pipeline('mini')"
    subprocess.run([sys.executable, "-c", code], check=True)
