"""Losses held against their papers' formulae, written out in plain loops; and the two means of a batch."""

import math

import pytest

pytest.importorskip("torch")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.testing import check_loss
from anyrank.train.losses import LOSSES, margin_mse, ndcg_loss2pp, neural_ndcg, plistmle, ranknet

GRADES = st.lists(st.integers(0, 4), min_size=2, max_size=6)


@st.composite
def groups(draw):
    """Distinct scores, and grades of which one is above 0."""
    y = draw(GRADES.filter(any))
    steps = draw(st.permutations(range(len(y))))
    return [0.37 * step - draw(st.floats(0, 0.2)) for step in steps], y


def tensors(s, y):
    return torch.tensor([s], dtype=torch.float64), torch.tensor([y], dtype=torch.float64)


def ideal_dcg(y, k):
    return sum((2**g - 1) / math.log2(1 + i) for i, g in enumerate(sorted(y, reverse=True)[:k], 1))


def loss2pp_by_hand(s, y, k, sigma, mu):
    """Wang et al. 2018, equation of NDCG-Loss2++, in bits, as a mean over the pairs of the first k ranks."""
    order = sorted(range(len(s)), key=lambda i: -s[i])
    top, costs = order[:k], []
    for a, i in enumerate(top, 1):
        for b, j in enumerate(top, 1):
            if y[i] <= y[j]:
                continue
            gain = abs((2 ** y[i] - 1) - (2 ** y[j] - 1)) / ideal_dcg(y, k)
            far = abs(a - b)
            distance = abs(1 / math.log2(1 + far) - 1 / math.log2(2 + far))
            ranks = abs(1 / math.log2(1 + a) - 1 / math.log2(1 + b))
            weight = (ranks + mu * distance) * gain
            costs.append(-weight * math.log2(1 / (1 + math.exp(-sigma * (s[i] - s[j])))))
    return sum(costs) / len(costs) if costs else 0.0


@settings(deadline=None, max_examples=50)
@given(groups(), st.integers(1, 6), st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.0, 10.0]))
def test_ndcg_loss2pp_is_the_papers_formula_with_k_and_sigma(group, k, sigma, mu):
    s, y = group
    expected = loss2pp_by_hand(s, y, k, sigma, mu)
    value = ndcg_loss2pp(*tensors(s, y), k=k, sigma=sigma, mu=mu)
    assert float(value) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    whole = ndcg_loss2pp(*tensors(s, y), sigma=sigma, mu=mu)
    assert float(whole) == pytest.approx(loss2pp_by_hand(s, y, len(s), sigma, mu), rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(groups(), st.integers(0, 4), st.sampled_from([0.5, 2.0]))
def test_ndcg_loss2pp_is_the_sum_of_its_two_parts(group, k, sigma):
    s, y = tensors(*group)
    parts = [float(LOSSES[name](s, y, k=k, sigma=sigma)) for name in ("lambdarank", "lambda_loss")]
    assert float(ndcg_loss2pp(s, y, k=k, sigma=sigma, mu=7.0)) == pytest.approx(parts[0] + 7 * parts[1])


def neural_ndcg_by_hand(s, y, temperature, k, transposed, iterations):
    """NeuralSort's matrix, Sinkhorn's scaling and nDCG, in loops."""
    n = len(s)
    spread = [sum(abs(a - b) for b in s) for a in s]
    matrix = []
    for i in range(1, n + 1):
        row = [((n + 1 - 2 * i) * s[j] - spread[j]) / temperature for j in range(n)]
        high = max(row)
        row = [math.exp(x - high) for x in row]
        matrix.append([x / sum(row) for x in row])
    for _ in range(iterations):
        columns = [sum(matrix[i][j] for i in range(n)) for j in range(n)]
        matrix = [[matrix[i][j] / columns[j] for j in range(n)] for i in range(n)]
        matrix = [[x / sum(row) for x in row] for row in matrix]
    discounts = [1 / math.log2(1 + i) if i <= k else 0.0 for i in range(1, n + 1)]
    gains = [2**g - 1 for g in y]
    if transposed:
        weights = [sum(matrix[i][j] * discounts[i] for i in range(n)) for j in range(n)]
        dcg = sum(w * g for w, g in zip(weights, gains))
    else:
        dcg = sum(d * sum(m * g for m, g in zip(row, gains)) for d, row in zip(discounts, matrix))
    return 1 - dcg / ideal_dcg(y, k)


@settings(deadline=None, max_examples=30)
@given(groups(), st.sampled_from([0.3, 1.0]), st.integers(1, 6), st.booleans())
def test_neural_ndcg_is_the_papers_formula(group, temperature, k, transposed):
    s, y = group
    expected = neural_ndcg_by_hand(s, y, temperature, k, transposed, 20)
    options = {"temperature": temperature, "k": k, "transposed": transposed, "iterations": 20}
    assert float(neural_ndcg(*tensors(s, y), **options)) == pytest.approx(expected, abs=1e-9)


def test_neural_ndcg_becomes_ndcg_as_the_temperature_falls():
    s, y = [0.3, 0.9, -0.5, 0.1], [3, 0, 1, 2]
    dcg = sum((2 ** y[i] - 1) / math.log2(1 + rank) for rank, i in enumerate((1, 0, 3, 2), 1))
    assert 1 - float(neural_ndcg(*tensors(s, y), temperature=1e-3)) == pytest.approx(dcg / ideal_dcg(y, 4))


def test_a_soft_permutation_doesnt_see_padding():
    s, y = tensors([0.3, 0.9, -0.5], [3, 0, 1])
    mask = torch.tensor([[False, True, True, True, False]])
    wide = [torch.full((1, 5), math.nan, dtype=torch.float64).masked_scatter(mask, t) for t in (s, y)]
    assert float(neural_ndcg(*wide, mask)) == pytest.approx(float(neural_ndcg(s, y)), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.permutations([0.0, 0.8, -1.3, 2.1, 0.4]))
def test_plistmle_is_the_papers_formula(s):
    """Lan et al. 2014: alpha(i) = 2^(n - i) - 1 times the negative log-likelihood of choosing i before all after it."""
    n, expected = len(s), 0.0
    for i in range(1, n + 1):
        rest = math.log(sum(math.exp(x) for x in s[i - 1 :]))
        expected += (2 ** (n - i) - 1) * (rest - s[i - 1])
    assert float(plistmle(*tensors(s, list(range(n, 0, -1))))) == pytest.approx(expected)


def test_plistmle_has_flatter_weights_for_long_lists():
    s, y = tensors([3.0, 2.0, 1.0], [3, 2, 1])
    terms = [math.log(math.exp(3) + math.exp(2) + math.e) - 3, math.log(math.exp(2) + math.e) - 2]
    for weight, weights in (("log2", (1, 1 / math.log2(3))), ("reciprocal", (1, 0.5)), ("power", (3, 1))):
        expected = sum(w * t for w, t in zip(weights, terms))
        assert float(plistmle(s, y, weight=weight)) == pytest.approx(expected), weight
    many = torch.zeros(1, 101)
    with pytest.raises(InputError, match=r"101 texts: .*give weight: log2"):
        plistmle(many, many)
    assert float(plistmle(many, many, weight="log2")) == 0
    with pytest.raises(InputError, match="weight='cube': choose one of power, log2, reciprocal"):
        plistmle(s, y, weight="cube")


@pytest.mark.parametrize("name", ["ndcg_loss2pp", "neural_ndcg", "plistmle"])
@settings(deadline=None, max_examples=25)
@given(group=groups(), data=st.data())
def test_the_order_of_candidates_changes_neither_loss_nor_gradient(name, group, data):
    s, y = tensors(*group)
    shuffle = torch.tensor(data.draw(st.permutations(range(s.shape[1]))))
    results = []
    for order in (torch.arange(s.shape[1]), shuffle):
        scores = s[:, order].requires_grad_()
        loss = LOSSES[name](scores, y[:, order])
        (slope,) = torch.autograd.grad(loss, scores)
        assert bool(slope.isfinite().all())
        results.append((loss.item(), slope[0]))
    assert results[0][0] == pytest.approx(results[1][0])
    torch.testing.assert_close(results[0][1][shuffle], results[1][1], atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ndcg_loss2pp", {"k": 3, "sigma": 2.0, "mu": 1.0}),
        ("lambda_loss", {"k": 2}),
        ("lambdarank", {"sigma": 0.5}),
        ("neural_ndcg", {"transposed": True, "k": 2}),
        ("plistmle", {"weight": "reciprocal"}),
    ],
)
def test_options_keep_the_contract(name, options):
    def loss(scores, labels, mask=None):
        return LOSSES[name](scores, labels, mask, **options)

    if "k" in options:  # pairs outside the first k count for nothing, so the step may leave the loss as it is
        s = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
        loss(s, torch.tensor([[0.0, 3.0, 1.0]])).backward()
        assert bool(s.grad.isfinite().all())
    else:
        check_loss(loss)


PAIRS = [
    "adr_mse", "hinge", "lambda_loss", "lambdarank", "margin_mse", "margin_mse_all", "mse", "ndcg_loss2pp",
    "pairwise_cross_entropy", "pairwise_softmax", "ranknet", "ranknet_difference", "ranknet_rank_difference",
    "ranknet_squares", "ranknet_weighted", "smooth_l1",
]  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_the_mean_over_pairs_weighs_a_group_by_their_number(name):
    loss = LOSSES[name]
    one = tensors([0.2, 1.4], [2, 0])
    two = tensors([0.1, -0.7, 0.9, 0.3], [0, 1, 2, 3])
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    scores, labels = (torch.cat([torch.nn.functional.pad(a, (0, 2)), b]) for a, b in zip(one, two))
    counts = (2, 4) if name in ("mse", "smooth_l1", "adr_mse") else (1, 3) if name == "margin_mse" else (1, 6)
    first, second = float(loss(*one)), float(loss(*two))
    assert float(loss(scores, labels, mask)) == pytest.approx((first + second) / 2)
    expected = (counts[0] * first + counts[1] * second) / sum(counts)
    assert float(loss(scores, labels, mask, mean="pair")) == pytest.approx(expected)
    assert float(loss(*two, mean="pair")) == pytest.approx(second)


def test_another_mean_is_refused():
    with pytest.raises(InputError, match="mean='batch': choose one of group, pair"):
        ranknet(*tensors([0.0, 1.0], [1, 0]), mean="batch")


def test_margin_mse_anchors_on_the_judged_positive_and_else_on_the_teachers_best():
    s, t = tensors([1.0, 3.0, 0.0], [5.0, 9.0, 4.0])  # the teacher prefers the second
    judged = torch.tensor([[1.0, 0.0, 0.0]])
    anchored = ((1 - 3 - (5 - 9)) ** 2 + (1 - 0 - (5 - 4)) ** 2) / 2
    best = ((3 - 1 - (9 - 5)) ** 2 + (3 - 0 - (9 - 4)) ** 2) / 2
    assert float(margin_mse(s, t, grades=judged)) == pytest.approx(anchored)
    assert float(margin_mse(s, t)) == pytest.approx(best)
    assert float(margin_mse(s, t, grades=torch.zeros(1, 3))) == pytest.approx(best)  # none is relevant
    assert float(margin_mse(s, t, grades=torch.ones(1, 3))) == pytest.approx(best)  # all are
    both = torch.tensor([[1.0, 2.0, 0.0]])  # each positive against the negative, not against the other
    assert float(margin_mse(s, t, grades=both)) == pytest.approx(((1 - 1) ** 2 + (3 - 5) ** 2) / 2)
    two = [torch.cat([x, x]) for x in (s, t)]
    mixed = margin_mse(*two, grades=torch.cat([judged, torch.zeros(1, 3)]))
    assert float(mixed) == pytest.approx((anchored + best) / 2)
