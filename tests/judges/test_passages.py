"""Passages: what is split, what is aggregated, what it costs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank import Candidate, InputError, Judgement, Query, Usage
from anyrank.core.passages import passages
from anyrank.judges.passages import Passages
from anyrank.testing import check_judge


class Count:
    """Scores a text by how often it says "yes"; a text with "mute" can't be scored."""

    def __call__(self, groups):
        return [
            Judgement(
                [math.nan if "mute" in c.content else float(c.content.count("yes")) for c in cs],
                Usage(len(cs), sum(len(c.content.split()) for c in cs)),
            )
            for _, cs in groups
        ]


texts = st.lists(st.sampled_from(["yes", "no", "maybe"]), max_size=40).map(" ".join)


@given(texts, st.integers(1, 12), st.data())
def test_every_word_is_in_a_passage_and_none_is_longer_than_asked(text, words, data):
    stride = data.draw(st.integers(1, words))
    parts = passages(text, words, stride)
    expected = text.split()
    covered = set()
    for i, part in enumerate(parts):
        part_words = part.split()
        assert part_words == expected[i * stride : i * stride + words]
        covered |= set(range(i * stride, i * stride + len(part_words)))
    assert covered == set(range(len(expected)))
    assert len(parts) == 1 or len(parts[-1].split()) > words - stride or words == stride


@given(st.lists(texts, min_size=1, max_size=5), st.sampled_from(["first", "max", "mean", "sum", "top"]))
def test_documents_of_one_passage_score_the_same_as_without(documents, aggregate):
    group = (Query("q", "?"), [Candidate(str(i), t) for i, t in enumerate(documents)])
    (plain,) = Count()([group])
    (split,) = Passages(Count(), words=40, stride=20, aggregate=aggregate)([group])
    assert list(split.scores) == list(plain.scores)
    assert split.usage == plain.usage


@pytest.mark.parametrize(
    ("aggregate", "score"), [("first", 1.0), ("max", 3.0), ("mean", 1.5), ("sum", 6.0), ("top", 2.5)]
)
def test_each_policy(aggregate, score):
    text = "yes no no yes yes yes no no no yes yes no"  # passages of three hold 1, 3, 0 and 2
    judge = Passages(Count(), words=3, stride=3, aggregate=aggregate, top=2)
    (judgement,) = judge([(Query("q"), [Candidate("d", text)])])
    assert judgement.scores == [score]
    assert judgement.usage.calls == (1 if aggregate == "first" else 4)
    assert judgement.usage.prompt_tokens == (3 if aggregate == "first" else 12)


def test_groups_of_many_keep_their_members_apart():
    members = [Candidate("a", "yes " * 7), Candidate("b", "no " * 3), Candidate("c", "")]
    judge = Passages(Count(), words=2, stride=2, aggregate="sum")
    groups = [(Query("q"), members), (Query("r"), members[::-1]), (Query("s"), [])]
    assert [list(j.scores) for j in judge(groups)] == [[7, 0, 0], [0, 0, 7], []]
    check_judge(judge, groups[:2])


def test_unread_passages_are_left_out():
    judge = Passages(Count(), words=2, stride=2, aggregate="mean")
    (judgement,) = judge([(Query("q"), [Candidate("a", "yes yes mute no"), Candidate("b", "mute mute mute mute")])])
    assert judgement.scores[0] == 2.0
    assert math.isnan(judgement.scores[1])


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"stride": 200}, {"aggregate": "median"}, {"top": 0}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Passages(Count(), **wrong)
