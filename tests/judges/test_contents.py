"""Judges that wrap others leave contents of any kind in peace."""

import pytest

from anyrank.core.content import Image
from anyrank.core.groupings import Sliding
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.judges.both_orders import BothOrders
from anyrank.judges.consensus import SelfConsistency
from anyrank.judges.passages import Passages
from anyrank.judges.presentation import Presented
from anyrank.judges.votes import Votes
from anyrank.testing import Scripted

LONG = " ".join(f"w{i}" for i in range(10))
CONTENTS = {
    "text": "one",
    "mapping": {"title": "t", "text": "u"},
    "tuple": ("a", "b"),
    "none": None,
    "image": Image("a.png"),
    "both": {"text": LONG, "image": "a.png"},
    "number": 7,
    "list": ["a"],
}


def by_id(query, members):
    return [float(len(c.id)) for c in members]


@pytest.mark.parametrize(
    "wrap", [BothOrders, Presented, lambda j: Presented(j, "reversed"), Votes, lambda j: Passages(j, 4, 2)]
)
def test_any_content_goes_through_as_it_is(wrap):
    seen = {}

    def script(query, members):
        seen.update({c.id: c.content for c in members})
        return by_id(query, members)

    ranking = Ranking.of(Image("q.png"), CONTENTS.values(), CONTENTS)
    after = Rerank(wrap(Scripted(script)), Sliding(2, 1, 8))(ranking)
    assert after.ids == sorted(CONTENTS, key=lambda i: -len(i))
    assert seen == CONTENTS
    assert [c.content for c in after] == [CONTENTS[i] for i in after.ids]


def test_consensus_needs_no_text():
    ranking = Ranking.of(None, CONTENTS.values(), CONTENTS)
    after = SelfConsistency(Rerank(Scripted(by_id)), 3)(ranking)
    assert [len(i) for i in after.ids] == sorted(map(len, CONTENTS), reverse=True)


def test_only_contents_of_text_alone_are_split_into_passages():
    judge = Scripted(lambda q, members: [1.0])
    members = [
        Candidate("text", LONG),
        Candidate("mapping", {"title": "t", "text": LONG}),
        Candidate("tuple", (LONG, "end")),
        Candidate("image", {"text": LONG, "image": "a.png"}),
        Candidate("spectrum", {"mz": list(range(40))}),
        Candidate("numbers", tuple(range(40))),
        Candidate("none", None),
    ]
    Passages(judge, 4, 4)([(Query("q", "x"), members)])
    counts = {c.id: sum(ids[0].partition("#")[0] == c.id for ids in judge.log) for c in members}
    assert counts == {"text": 3, "mapping": 3, "tuple": 3, "image": 1, "spectrum": 1, "numbers": 1, "none": 1}
