"""Text feedback: the expanded queries, the merging of their scores, and the pipeline names of both forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Judgement, Query, Ranking
from anyrank.index.build import build
from anyrank.judges.text_feedback import BordaShare, Expansion, TextFeedback
from anyrank.papers.text_feedback import rewriter
from anyrank.papers.text_prf import reranker
from anyrank.pipeline.context import Settings
from anyrank.pipeline.explain import explain
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text
from anyrank.retrieve import rewritten
from anyrank.retrieve.stages import BM25
from anyrank.testing import check_judge


class Overlap:
    """Counts the words that a candidate shares with the query; remembers the queries."""

    def __init__(self):
        self.queries = []

    def __call__(self, groups):
        out = []
        for query, members in groups:
            if query.content not in self.queries:
                self.queries.append(query.content)
            words = set(query.content.split())
            out.append(Judgement([float(len(words & set(m.content.split()))) for m in members]))
        return out


DOCS = ["wing lift", "wing drag flow", "lift heat", "flow heat", "jet"]


def ranking(query="wing"):
    return Ranking.of(query, DOCS, list("abcde"))


def test_borda_gives_the_specifications_values():
    """Runs abcd, badc and cba: a has 1 + 3/4 + 1/3, and so on."""
    runs = [{c: -float(i) for i, c in enumerate(run)} for run in ("abcd", "badc", "cba")]
    fused = BordaShare()(runs, [1, 1, 1])
    assert fused == pytest.approx({"b": 2.416667, "a": 2.083333, "c": 1.75, "d": 0.75}, abs=1e-6)


def test_the_merges_of_the_same_runs():
    votes = [[4.0, 3.0, 2.0, 1.0], [3.0, 4.0, 1.0, 2.0], [1.0, 2.0, 3.0, math.nan]]
    merged = {m: TextFeedback(Overlap(), merge=m).merged(votes) for m in ("average", "max", "borda")}
    assert merged["borda"] == pytest.approx([2.083333, 2.416667, 1.75, 0.75], abs=1e-6)
    assert merged["max"] == [4.0, 4.0, 3.0, 2.0]
    assert merged["average"] == pytest.approx([8 / 3, 3.0, 2.0, (1 + 2 + 1) / 3])  # d has the lowest of its third run
    unknown = TextFeedback(Overlap()).merged([[1.0, math.nan], [2.0, math.nan]])
    assert unknown[0] == pytest.approx(1.5)
    assert math.isnan(unknown[1])


@pytest.mark.parametrize(
    ("expansion", "expected"),
    [
        (Expansion(), ["wing wing lift wing drag flow lift heat"]),
        (Expansion(words=4), ["wing wing lift wing"]),
        (Expansion("aggregate"), ["wing wing lift", "wing wing drag flow", "wing lift heat"]),
        (
            Expansion("sliding", window=3, stride=2),
            ["wing wing lift wing", "wing wing drag flow", "wing flow lift heat"],
        ),
        (Expansion("sliding", window=9, stride=1), ["wing wing lift wing drag flow lift heat"]),
    ],
)
def test_the_first_passages_expand_the_query(expansion, expected):
    judge = Overlap()
    after = reranker(judge, expansion, k=3)(ranking())
    assert judge.queries == expected
    assert after.query.content == "wing"
    assert after.cost.usage == Usage(calls=len(DOCS) * len(expected))
    assert [step.name for step in after.trace] == ["text_prf"]
    stage = rewriter(how=expansion.how, words=expansion.words, window=expansion.window, stride=expansion.stride)
    query = stage(ranking()[:3]).query
    several = rewritten.queries(query)
    assert list(several.texts if several else [rewritten.searched(query)]) == expected


@given(st.lists(st.text("ab ", max_size=9), max_size=4), st.sampled_from(["truncate", "aggregate", "sliding"]))
def test_windows_cover_every_word_and_no_query_is_too_long(texts, how):
    queries = Expansion(how, words=50, window=3, stride=2)("q", texts)
    assert set(" ".join(queries).split()) == {"q", *" ".join(texts).split()}
    assert all(query.split()[0] == "q" for query in queries)
    assert all(len(q.split()) <= 3 for q in Expansion(how, words=3)("q", texts))


def test_without_feedback_the_judge_scores_alone():
    plain = [float(len({"wing"} & set(d.split()))) for d in DOCS]
    for how in ("truncate", "aggregate", "sliding"):
        judge = TextFeedback(Overlap(), 0, Expansion(how))
        assert judge([(Query("1", "wing"), ranking().candidates)])[0].scores == plain
    blank = (Candidate("x", ""), Candidate("y", None))
    assert TextFeedback(Overlap()).queries(Query("1", "wing"), blank) == [Query("1", "wing")]
    check_judge(
        TextFeedback(Overlap(), 2, Expansion("aggregate"), "borda"),
        [(r.query, r.candidates) for r in (ranking(), ranking("heat flow"))],
    )


def test_feedback_scores_what_the_query_alone_does_not():
    """Candidate c shares no word with the query, but has one of the first."""
    plain = reranker(Overlap(), k=0)(ranking())
    after = reranker(Overlap(), Expansion("aggregate"), k=2, merge="max")(ranking())
    assert plain.scores[:3] == [1.0, 1.0, 0.0]
    assert dict(zip(after.ids, after.scores)) == {"a": 2.0, "b": 3.0, "c": 1.0, "d": 1.0, "e": 0.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Expansion("all"), "how='all': choose one of truncate"),
        (lambda: Expansion(stride=99), "a stride from 1 to the window"),
        (lambda: TextFeedback(Overlap(), -1), "k=-1: expected a number"),
        (lambda: TextFeedback(Overlap(), merge="sum"), "merge='sum': choose one of average"),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_names_in_pipelines(tmp_path):
    collection = build([Candidate(i, d) for i, d in zip("abcde", DOCS)], tmp_path / "x")
    written = 'bm25 % 2 >> text_feedback(how="aggregate", merge="borda") >> bm25 % 4'
    stage = parse(written, Settings(collection))
    assert text(stage) == written
    after = stage("wing")
    bm25, fused = BM25(collection, 4), BordaShare()
    runs = [
        bm25(q) for q in parse(written.rpartition(" >> ")[0], Settings(collection))("wing").query.meta["queries"].texts
    ]
    expected = fused([dict(zip(r.ids, r.scores)) for r in runs], [1, 1])
    assert dict(zip(after.ids, after.scores)) == pytest.approx(dict(sorted(expected.items(), key=lambda p: -p[1])[:4]))
    assert after.trace[1].notes[0].startswith("2 documents make 2 queries: wing wing")
    nothing = parse("text_feedback >> bm25", Settings(collection), starts=False)(Ranking(Query("1", "wing")))
    assert nothing.ids == bm25("wing").ids
    for how, calls in ("truncate", 100), ("aggregate", 300), ("sliding", None):
        steps = explain(f'bm25 % 100 >> mini >> text_prf("mini", how="{how}")')
        assert (steps[-1].calls, steps[-1].after, steps[-1].needs[0].there) == (calls, 100, True)
    steps = explain("bm25 % 3 >> rm3 >> bm25 % 9 >> rocchio >> minilm", collection)
    assert [s.text for s in steps] == ["bm25(k=3)", "rm3", "bm25(k=9)", "rocchio", "minilm"]
    assert [s.after for s in steps] == [3, 3, 9, 9, 1000]
    assert [n.there for n in steps[1].needs] == [True]
    assert steps[-1].needs[-1].there is False
