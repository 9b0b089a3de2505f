"""Summaries judged by each other and by a reference; ROUGE by rouge-score."""

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError, ModelError
from anyrank.core.groupings import Whole
from anyrank.core.rerank import Rerank
from anyrank.core.types import Query, Ranking
from anyrank.domains.summaries.edus import by_model
from anyrank.domains.summaries.judges import Consensus, Reference, consensus
from anyrank.domains.summaries.overlap import rouge, similarity
from anyrank.testing import check_stage

TEXTS = ["a dog ran home", "the storm closed schools", "a storm closed the schools", "the storm closed two schools"]


def test_the_most_typical_candidate_is_first():
    ranking = Ranking.of("an article", TEXTS)
    after = Rerank(Consensus(), Whole())(ranking)
    assert after.ids[0] == "1"
    assert after.ids[-1] == "0"
    assert after.cost.usage.calls == 0
    check_stage(Rerank(Consensus(), Whole()), [ranking, Ranking.of("b", []), Ranking.of("c", ["one"])])
    assert consensus(["alone"]) == [0.0]


def test_an_unsymmetric_utility_takes_the_others_as_references():
    seen = []
    consensus(["a", "b"], lambda reference, summary: seen.append((reference, summary)) or 0.0)
    assert seen == [("b", "a"), ("a", "b")]


def test_a_reference_gives_the_upper_bound():
    query = Query("q", "an article", {"reference": "schools closed by the storm"})
    ranking = Ranking.of(query, TEXTS)
    after = Rerank(Reference(), Whole())(ranking)
    values = {str(i): similarity("schools closed by the storm", t) for i, t in enumerate(TEXTS)}
    assert after.ids[0] == max(values, key=values.get)
    with pytest.raises(InputError, match="'q' has no reference summary"):
        Rerank(Reference(), Whole())(Ranking.of("an article", TEXTS))


def test_rouge_by_its_package():
    pytest.importorskip("rouge_score")
    both = rouge(("rouge1", "rouge2"), stem=False)
    # by hand: 3 of 4 and 3 of 4 words; 1 of 3 and 1 of 3 pairs
    assert both("the cat sat down", "the cat ran down") == pytest.approx((0.75 + 1 / 3) / 2)
    assert rouge(("rouge1",))("schools closed", "closing school") == 1.0  # stems
    assert rouge(("rougeLsum",))("a b\nc d", "c d\na b") == 1.0  # lines in any order
    with pytest.raises(InputError, match="no such metrics: rouge9"):
        rouge(("rouge9",))


def test_rouge_of_texts_that_would_take_minutes_is_an_error():
    pytest.importorskip("rouge_score")
    long = "word " * 2100
    with pytest.raises(InputError, match="2,100 words with one of 2,100"):
        rouge()(long, long)
    assert rouge(("rouge1",))(long, long) == 1.0


def test_empty_files_are_errors(tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"none\.jsonl: the file is empty"):
        CliRunner().invoke(
            cli, ["summaries", "plan", str(tmp_path / "none.jsonl")], standalone_mode=False, catch_exceptions=False
        )


RUSSIAN = ["река поднялась", "река поднялась в понедельник", "школы закрыты"]
JAPANESE = ["学校は閉まった", "学校は雨で閉まった", "祭りは続いた"]


@pytest.mark.parametrize("texts", [RUSSIAN, JAPANESE])
def test_texts_of_any_script_are_compared(texts):
    assert min(consensus(texts)[:2]) > consensus(texts)[2]
    pytest.importorskip("rouge_score")
    by_rouge = consensus(texts, rouge())
    assert min(by_rouge[:2]) > by_rouge[2]


def test_what_has_no_text_is_named(tmp_path):
    picture = Ranking.of("an article", ["a summary", {"image": "cat.jpg"}])
    with pytest.raises(InputError, match="candidate '1' holds an image and no text"):
        Rerank(Consensus(), Whole())(picture)
    with pytest.raises(InputError, match="the reference summary of query 'q' is int: expected a text"):
        Rerank(Reference(), Whole())(Ranking.of(Query("q", "an article", {"reference": 7}), TEXTS))
    (tmp_path / "a.jsonl").write_text('{"query": {"image": "cat.jpg"}}\n')
    with pytest.raises(InputError, match="query 'q1' holds an image and no text"):
        CliRunner().invoke(cli, ["summaries", "plan", str(tmp_path / "a.jsonl")], catch_exceptions=False)


def test_a_segmenter_that_is_none_is_told(tmp_path):
    pytest.importorskip("transformers")
    for name, message in (("minilm", "no segmenter 'minilm'"), (str(tmp_path), "can't be loaded")):
        with pytest.raises(ModelError, match=message):
            by_model(name)
