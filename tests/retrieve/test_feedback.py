"""Feedback by distillation: its loss, its gradients, and a planted cluster that only the teacher knows."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.retrieve import feedback
from anyrank.retrieve.feedback import DistilledFeedback, kl_slope, moved, ranknet, ranknet_slope, softmax
from anyrank.testing import Hostile, Scripted
from anyrank.vectors import Encoded

RNG = np.random.default_rng(0)


def kl(scores, teacher):
    t, s = softmax(teacher), softmax(scores)
    return float((t * (np.log(t) - np.log(s))).sum())


@pytest.mark.parametrize(("loss", "slope"), [(kl, kl_slope), (ranknet, ranknet_slope)])
def test_slopes_are_the_gradients(loss, slope):
    s, t = RNG.normal(size=6), RNG.normal(size=6)
    small = 1e-6 * np.eye(6)
    numeric = [(loss(s + d, t) - loss(s - d, t)) / 2e-6 for d in small]
    assert slope(s, t) == pytest.approx(numeric, abs=1e-7)


class Table:
    """An encoder that knows each content's vector, and an exact index over the documents."""

    name = "table"

    def __init__(self, rows):
        self.rows = rows

    def encode(self, contents, *, query=False):
        return Encoded(np.array([self.rows[c] for c in contents], dtype=np.float32))

    def search(self, queries, k):
        ids = [i for i in self.rows if i != "query"]
        table = np.array([self.rows[i] for i in ids])
        scores = queries @ table.T
        return [[(ids[j], float(row[j])) for j in np.argsort(-row)[:k]] for row in scores]

    def get(self, ids):
        return [Candidate(i, i) for i in ids]


def planted():
    """200 documents; 30 of a cluster that lies off the query, of which the first search finds some."""
    rows = {"query": np.r_[1.0, np.zeros(15)]}
    for i in range(170):
        v = RNG.normal(size=16)
        rows[f"n{i}"] = v / np.linalg.norm(v)
    for i in range(30):
        v = np.r_[0.25, 1.0, np.zeros(14)] + 0.25 * RNG.normal(size=16)
        rows[f"c{i}"] = v / np.linalg.norm(v)
    return Table(rows)


@pytest.mark.parametrize("loss", ["kl", "ranknet"])
def test_the_moved_query_finds_more_of_what_the_teacher_favours(loss):
    table = planted()
    (found,) = table.search(np.array([table.rows["query"]]), 50)
    first = Ranking(Query("q", "query"), tuple(Candidate(i, i, s) for i, s in found))
    wanted = sum(i.startswith("c") for i in first.ids)
    assert 0 < wanted < 30
    teacher = Rerank(Scripted(lambda q, m: [5.0 * c.id.startswith("c") for c in m]))
    stage = teacher >> DistilledFeedback(table, table, table, loss=loss) % 50
    after = stage(first)
    assert sum(i.startswith("c") for i in after.ids) > wanted
    assert all(c.content == c.id for c in after)
    assert [s.name for s in after.trace] == ["Scripted/Pointwise", "feedback"]
    assert after.cost.usage.calls == 50


@pytest.mark.parametrize(("name", "loss"), [("kl", kl), ("ranknet", ranknet)])
def test_the_updates_lower_the_loss_at_the_stated_scale(name, loss):
    """Products are scaled by half of (largest less smallest of the teacher) over (that of the first products)."""
    q, p, t = RNG.normal(size=8), RNG.normal(size=(10, 8)), 3 * RNG.normal(size=10)
    scale = (t.max() - t.min()) / ((p @ q).max() - (p @ q).min()) / 2
    assert loss(scale * (p @ moved(q, p, t, name)), t) < 0.99 * loss(scale * (p @ q), t)


def test_nothing_to_learn_changes_nothing():
    table = planted()
    one = Ranking(Query("q", "query"), (Candidate("n1", "n1", 1.0),))
    two = Ranking(Query("q", "query"), (Candidate("n1", "n1", 1.0), Candidate("n2", "n2", 0.5)))
    teacher = Rerank(Scripted(lambda q, m: [1.0] * len(m)))
    assert (teacher >> DistilledFeedback(table, table))(one).ids == ["n1"]
    assert (Rerank(Hostile(faults=("raise",))) >> DistilledFeedback(table, table))(two).ids == ["n1", "n2"]
    with pytest.raises(InputError, match="loss='mse'"):
        DistilledFeedback(table, table, loss="mse")


def test_products_are_scaled_by_half_the_ratio_of_the_spreads(monkeypatch):
    """Adam on KL(softmax(teacher) || softmax(scale * products)), its gradient taken numerically."""
    monkeypatch.setitem(feedback._STEPS, "kl", (0.1, 4))
    rng = np.random.default_rng(5)
    query, documents, teacher = rng.normal(size=4), rng.normal(size=(5, 4)), rng.normal(size=5)
    scale = (teacher.max() - teacher.min()) / (np.ptp(documents @ query)) / 2
    q, mean, square = query.copy(), np.zeros(4), np.zeros(4)
    for i in range(1, 5):
        step = 1e-6 * np.eye(4)
        g = np.array(
            [kl(scale * (documents @ (q + d)), teacher) - kl(scale * (documents @ (q - d)), teacher) for d in step]
        )
        g /= 2e-6
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        q = q - 0.1 * (mean / (1 - 0.9**i)) / (np.sqrt(square / (1 - 0.999**i)) + 1e-8)
    assert moved(query, documents, teacher) == pytest.approx(q, abs=1e-5)


def test_rates_and_numbers_of_updates_are_the_papers():
    assert feedback._STEPS == {"kl": (0.005, 100), "ranknet": (0.001, 20)}


def test_candidates_that_are_found_again_keep_their_content_and_fields():
    table = planted()
    known = Ranking(Query("q", "query"), tuple(Candidate(f"c{i}", f"c{i}", 2.0 - i, {"kept": i}) for i in range(2)))
    teacher = Rerank(Scripted(lambda q, m: [float(c.id == "c1") for c in m]))
    after = (teacher >> DistilledFeedback(table, table, table, k=200))(known)
    assert {c.id: c.meta for c in after if c.id in ("c0", "c1")} == {"c0": {"kept": 0}, "c1": {"kept": 1}}


def test_pairs_of_a_ranking_weigh_by_their_ranks():
    better, weight = feedback._pairs(np.array([3.0, 1.0, 2.0]))
    assert weight.tolist() == [[1 / 2, 1 / 4, 1 / 3], [1 / 4, 1 / 6, 1 / 5], [1 / 3, 1 / 5, 1 / 4]]
    assert better.sum() == 3
