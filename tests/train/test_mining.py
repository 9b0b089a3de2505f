"""Hard negatives: the rules hold, the draws are what they say, and they agree with sentence-transformers."""

import math
import sys
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.stage import Each
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.train.consistency import consistent_pairs, dual_consistent, findable
from anyrank.train.group import Group
from anyrank.train.judgements import judged
from anyrank.train.mining import Rules, doubted, mined, negatives, per_positive
from anyrank.train.negatives import Draw
from anyrank.train.sampling import Decay, Softmax, Top, Uniform, softmax
from anyrank.vectors import Encoded

SCORES = st.lists(st.floats(-50, 50), min_size=2, max_size=30)
MARGIN = st.none() | st.floats(0, 5)


def ranked(scores, query="q"):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return Ranking(Query(query, "why?"), tuple(Candidate(str(i), f"text {i}", scores[i]) for i in order))


@given(SCORES, st.data(), MARGIN, st.none() | st.floats(0.5, 1), MARGIN, st.none() | st.floats(-50, 50))
def test_every_kept_negative_obeys_every_rule_and_no_other_is_dropped(scores, draw, m, rho, c, most):
    positives = draw.draw(st.sets(st.sampled_from(range(len(scores))), min_size=1, max_size=3))
    kept = {
        int(x.id)
        for x in negatives(
            ranked(scores), {str(i) for i in positives}, Rules(absolute=m, relative=rho, adaptive=c, max_score=most)
        )
    }
    p, d = min(scores[i] for i in positives), float(np.std(scores))
    gap = max([m or 0.0, (1 - (1.0 if rho is None else rho)) * abs(p), (c or 0.0) * d])
    for i, s in enumerate(scores):
        margin = m is not None or rho is not None or c is not None
        clear = (not margin or s < p - gap - 1e-9) and (most is None or s <= most) and i not in positives
        near = (not margin or s < p - gap + 1e-9) and (most is None or s <= most) and i not in positives
        assert i in kept or not clear
        assert i not in kept or near


def test_a_relative_margin_is_a_share_of_the_positive():
    r = ranked([1.0, 0.96, 0.94, 0.2])
    assert [c.id for c in negatives(r, {"0"}, Rules(relative=0.95))] == ["2", "3"]
    below_zero = ranked([-1.0, -1.04, -1.06])
    assert [c.id for c in negatives(below_zero, {"0"}, Rules(relative=0.95))] == ["2"]


def test_ranges_of_ranks():
    r = ranked([float(-i) for i in range(10)])
    assert [c.id for c in negatives(r, {"1"}, Rules(skip=2, among=5))] == ["3", "4", "5"]
    assert [c.id for c in negatives(r, {"9"}, Rules(min_score=-3, max_score=-2))] == ["2", "3"]
    assert [c.id for c in negatives(r, {"0"}, Rules(absolute=2.5), exclude={"4"})] == ["3", *"56789"]


def test_a_positive_that_was_not_found_bounds_nothing_safely():
    r = ranked([3.0, 2.0, 1.0])
    assert negatives(r, {"absent"}, Rules(absolute=0.0)) == []
    assert negatives(r, {"absent"}, Rules(relative=1.0)) == []
    assert len(negatives(r, {"absent"}, Rules())) == 3


@pytest.mark.parametrize(
    "bad", [{"skip": -1}, {"skip": 5, "among": 5}, {"absolute": -1}, {"relative": 0}, {"adaptive": -1}]
)
def test_rules_that_make_no_sense(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Rules(**bad)


def test_a_second_scorer_casts_doubt():
    second = ranked([0.9, 0.95, 0.1])
    assert doubted(second, {"0"}, Rules(absolute=0.0)) == {"1"}
    groups = mined([ranked([5.0, 4.0, 3.0])], {"q": {"0": 1}}, 2, exclude={"q": {"1"}})
    assert next(groups).ids == ("0", "2")


def test_mined_groups():
    run = [ranked([5.0, 4.0, 3.0, 2.0]), ranked([1.0], "alone"), ranked([1.0, 0.0], "unjudged")]
    qrels = {"q": {"1": 2, "far": 1, "2": 0}, "alone": {"0": 1}}
    (group,) = mined(run, qrels, 2, documents={"far": "far text"})
    assert group == Group.from_texts(
        "why?",
        ("text 1", "far text", "text 0", "text 2"),
        (2.0, 1.0, 0.0, 0.0),
        "q",
        ("1", "far", "0", "2"),
        (4.0, 2.0, 5.0, 3.0),
    )
    one, two = per_positive(group)
    assert (one.ids, two.ids) == (("1", "0", "2"), ("far", "0", "2"))
    assert (two.labels, two.priors) == ((1.0, 0.0, 0.0), (2.0, 5.0, 3.0))


def test_queries_left_out_are_counted_by_reason(caplog):
    run = [ranked([5.0, 4.0], "good"), ranked([1.0], "alone"), ranked([1.0, 0.0], "unjudged"), ranked([1.0], "absent"),
           ranked([3.0, 2.9], "near"), ranked([1.0, 0.5], "bad")]  # fmt: skip
    qrels = {"good": {"0": 1}, "alone": {"0": 1}, "absent": {"gone": 1}, "near": {"0": 1}, "bad": {"0": 0}}
    reasons = {}
    (group,) = mined(run, qrels, 2, Rules(absolute=0.5), left_out=reasons)
    assert group.id == "good"
    assert reasons == {
        "the ranking holds no other document": ["alone"],
        "no relevant document is judged": ["unjudged", "bad"],
        "no relevant document is in the ranking or in documents": ["absent"],
        "no other document fulfils the rules": ["near"],
    }
    assert "2 queries are left out, no relevant document is judged: unjudged, bad" in caplog.text
    caplog.clear()
    assert len(list(mined(run[:1], qrels, 2))) == 1
    assert not caplog.records


def test_draws_are_fixed_by_seed_epoch_and_query():
    run = [ranked(list(np.linspace(0, 1, 40)), q) for q in ("a", "b")]
    qrels = {q: {"39": 1} for q in ("a", "b")}

    def draw(**options):
        return [g.ids for g in mined(run, qrels, 5, sampler=Softmax(0.5), **options)]

    assert draw() == draw()
    assert draw(epoch=1) != draw() != draw(seed=1)
    assert draw()[0] != draw()[1]


# sampling


@pytest.mark.parametrize("tau", [0.3, 1.0, 4.0])
def test_frequencies_match_softmax_without_replacement(tau):
    scores, n = [2.0, 1.5, 0.0, -1.0], 20_000
    p = np.exp(np.array(scores) / tau) / np.exp(np.array(scores) / tau).sum()
    rng, counts = np.random.default_rng(0), dict.fromkeys(combinations(range(4), 2), 0)
    for _ in range(n):
        counts[tuple(Softmax(tau)(scores, 2, rng))] += 1
    for (i, j), count in counts.items():
        expected = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert abs(count / n - expected) < 4.5 * math.sqrt(expected * (1 - expected) / n) + 1e-9


def test_uniform_draws_are_even_and_top_is_the_top():
    rng, counts = np.random.default_rng(0), np.zeros(5)
    for _ in range(5000):
        places = Uniform()([9.0, 1.0, 0.0, 0.0, 0.0], 2, rng)
        assert len(set(places)) == 2
        counts[places] += 1
    assert np.abs(counts / 5000 - 0.4).max() < 4.5 * math.sqrt(0.24 / 5000)
    assert Top()([3.0, 2.0, 1.0], 2, rng) == [0, 1]
    assert Uniform()([1.0], 5, rng) == Softmax()([1.0], 5, rng) == Top()([1.0], 5, rng) == [0]


def entropy(p):
    return -float(sum(x * math.log(x) for x in p if x > 0))


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=20), st.floats(0.05, 5), st.floats(1.05, 10))
def test_entropy_falls_with_the_temperature(scores, tau, factor):
    hot, cold = entropy(softmax(scores, tau * factor)), entropy(softmax(scores, tau))
    assert cold <= hot + 1e-9
    assume(max(scores) - min(scores) > 0.1 and max(scores) - min(scores) < 10 * tau)
    assert cold < hot


def test_negatives_get_harder_over_the_epochs():
    decay, scores = Decay(2.0, 0.05, 8), list(np.linspace(1, 0, 50))
    rng = np.random.default_rng(1)
    mean = [np.mean([Softmax(decay(e))(scores, 5, rng) for _ in range(200)]) for e in range(8)]
    taus = [decay(e) for e in range(8)]
    assert taus == sorted(taus, reverse=True)
    assert mean[0] > 18 > 8 > mean[-1]
    assert Decay(2.0, 1.0, 3, "linear")(1) == 1.5
    for bad in ({"start": 0.1, "end": 0.2}, {"end": 0.0}, {"how": "cosine"}):
        with pytest.raises(InputError):
            Decay(**bad)
    with pytest.raises(InputError, match="more than 0"):
        Softmax(0.0)


# parity


class Vectors:
    """What ``mine_hard_negatives`` asks of a model, over a table of vectors."""

    def __init__(self, torch, table):
        self.torch, self.table, self.device = torch, table, torch.device("cpu")

    def encode_query(self, texts, **_):
        return np.stack([self.table[t] for t in texts]).astype(np.float32)

    encode_document = encode_query

    def similarity(self, a, b):
        return self.torch.as_tensor(a) @ self.torch.as_tensor(b).T

    def similarity_pairwise(self, a, b):
        return (self.torch.as_tensor(a) * self.torch.as_tensor(b)).sum(-1)


class Table(dict):
    """As much of the package ``datasets`` as is asked for."""

    @classmethod
    def from_dict(cls, columns):
        return cls(columns)

    @property
    def column_names(self):
        return list(self)

    def to_pandas(self):
        counts = SimpleNamespace(to_dict=lambda: {"positive": Counter(self["anchor"])})
        return SimpleNamespace(groupby=lambda column: SimpleNamespace(count=lambda: counts))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, Rules()),
        ({"range_min": 3}, Rules(skip=3)),
        ({"absolute_margin": 0.2}, Rules(absolute=0.2)),
        ({"relative_margin": 0.05}, Rules(relative=0.95)),
        ({"max_score": 0.3, "min_score": -0.2}, Rules(max_score=0.3, min_score=-0.2)),
        ({"absolute_margin": 0.1, "max_score": 0.4, "range_min": 1}, Rules(absolute=0.1, max_score=0.4, skip=1)),
    ],
)
def test_the_same_negatives_as_sentence_transformers(monkeypatch, theirs, ours):
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("sentence_transformers.util.hard_negatives")
    monkeypatch.setattr(module, "is_datasets_available", lambda: True)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(Dataset=Table))
    rng = np.random.default_rng(3)
    texts = [f"d{i}" for i in range(60)]
    asked = [f"q{i}" for i in range(12)]
    rows = rng.normal(size=(72, 8))
    table = dict(zip(texts + asked, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)))
    positive = {}
    for q in asked:  # one of the nearest three, so that there is room under the margin
        near = sorted(texts, key=lambda d: -float(table[q] @ table[d]))
        positive[q] = near[int(rng.integers(3))]
    pairs = Table.from_dict({"anchor": asked, "positive": [positive[q] for q in asked]})
    found = module.mine_hard_negatives(
        pairs,
        Vectors(torch, table),
        corpus=texts,
        num_negatives=4,
        range_max=59,
        sampling_strategy="top",
        output_format="triplet",
        verbose=False,
        **theirs,
    )
    expected = {q: [] for q in asked}
    for q, d in zip(found["anchor"], found["negative"]):
        expected[q].append(d)
    similarity = {q: {d: float(table[q] @ table[d]) for d in texts} for q in asked}
    for q in asked:
        order = sorted(texts, key=lambda d: -similarity[q][d])
        ranking = Ranking(Query(q, q), tuple(Candidate(d, d, similarity[q][d]) for d in order))
        assert [c.id for c in negatives(ranking, {positive[q]}, ours)][:4] == expected[q]
    assert sum(map(len, expected.values())) > 12


# consistency


def test_the_positive_is_among_the_two_nearest_and_near():
    similarity = [[0.98, 0.99, 0.1], [0.95, 0.5, 0.6], [0.1, 0.2, 0.25]]
    assert dual_consistent(similarity).tolist() == [True, False, False]
    assert dual_consistent(similarity, threshold=0.2).tolist() == [True, False, True]
    assert dual_consistent([[0.9, 0.9, 0.9]] * 3).tolist() == [True] * 3
    published = np.diag([0.98, 0.69, 0.25])  # what the release's page shows as kept, kept, dropped
    assert dual_consistent(published).tolist() == [True, True, False]


class Words:
    """An encoder of word counts, of length 1."""

    name = "words"

    def __init__(self, texts):
        self.place = {w: i for i, w in enumerate(sorted({w for t in texts for w in t.split()}))}

    def encode(self, contents, *, query=False):
        rows = np.zeros((len(contents), len(self.place)), np.float32)
        for row, text in zip(rows, contents):
            for w in text.split():
                row[self.place[w]] += 1
        return Encoded(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_planted_mismatches_are_filtered():
    topics = ["sort list", "open file", "parse date", "send mail", "draw line", "hash text"]
    pairs = [Group.from_texts(t, (f"{t} now",), (1.0,), id=t) for t in topics]
    planted = [
        *pairs[:4],
        Group.from_texts(topics[4], pairs[0].texts, (1.0,), id="wrong"),
        Group.from_texts(topics[5], pairs[1].texts, (1.0,)),
    ]
    encoder = Words([g.query + " " + g.texts[0] for g in pairs])
    assert [g.id for g in consistent_pairs(pairs, encoder)] == topics
    assert [g.id for g in consistent_pairs(planted, encoder)] == topics[:4]


def test_only_queries_that_find_their_document_stay():
    found = {"a": ["x", "y", "z"], "b": ["y", "z", "x"]}

    def search(ranking):
        return Ranking(ranking.query, tuple(Candidate(i, "", -float(n)) for n, i in enumerate(found[ranking.query.id])))

    pairs = [Group.from_texts("?", ("text",), (1.0,), q, ("x",)) for q in ("a", "b")]
    assert [g.id for g in findable(pairs, Each(search), top=2, size=1)] == ["a"]
    assert [g.id for g in findable(pairs, Each(search), top=3)] == ["a", "b"]


# copies of a relevant text


def copied():
    texts = {"0": "Wings  lift.", "1": "wings lift.", "2": "heat", "3": "WINGS\u00a0lift.", "4": "drag"}
    return Ranking(Query("q", "why?"), tuple(Candidate(i, t, 9.0 - n) for n, (i, t) in enumerate(texts.items())))


def test_a_copy_of_the_positive_is_no_negative(caplog):
    assert [c.id for c in negatives(copied(), {"0"})] == ["2", "4"]
    assert [c.id for c in negatives(copied(), {"0"}, Rules(among=1))] == ["2"]
    assert [c.id for c in negatives(copied(), {"absent"}, relevant=["Heat "])] == ["0", "1", "3", "4"]
    (group,) = mined([copied()], {"q": {"0": 1}}, 5)
    assert group.ids == ("0", "2", "4")
    assert "2 candidates are left out: their text is that of a relevant document" in caplog.text
    (group,) = mined([copied()], {"q": {"far": 1}}, 5, documents={"far": "HEAT"})
    assert group.ids == ("far", "0", "1", "3", "4")


def test_copies_of_a_positive_are_never_drawn_nor_set_against_it():
    texts = ("Wings lift.", "wings  lift.", "heat", "drag")
    group = Group.from_texts("q", texts, (1.0, 0.0, 0.0, 0.0), priors=(4.0, 3.0, 2.0, 1.0))
    assert Draw(negatives=9)(group, 0).texts == ("Wings lift.", "heat", "drag")
    assert [g.texts for g in per_positive(group)] == [("Wings lift.", "heat", "drag")]


def test_a_judged_run_has_no_copies_of_relevant_texts(caplog):
    (group,) = judged([copied()], {"q": {"0": 2, "2": 0}})
    assert (group.ids, group.labels, len(group.priors)) == (("0", "2", "4"), (2.0, 0.0, 0.0), 3)
    assert "2 candidates are left out" in caplog.text
    (group,) = judged([copied()], {"q": {"0": 2, "1": 1}})  # both judged relevant: both stay
    assert group.ids == ("0", "1", "2", "4")


def test_contents_without_a_text_are_never_copies():
    from anyrank.train.same_text import copies, normalised

    assert copies(["", "  ", object()], ["", object()]) == [False, False, False]
    assert normalised({"title": "A", "text": "b"}) == normalised("a B")
    assert normalised("\u00b5m \ufb01lm") == normalised("μm film")
