"""Golden values of the published losses, and the identities between siblings."""

import math

import pytest

pytest.importorskip("torch")
import torch

from anyrank.train import losses as L

S = torch.tensor([[2.0, 0.5, 1.0, -1.0]], dtype=torch.float64)
TARGETS = torch.tensor([[1.0, 2.0, 0.5, -1.0]], dtype=torch.float64)  # S dealt out by the gold ranks 1, 0, 2, 3
GRADES = torch.tensor([[4, 3, 2, 1]])


@pytest.mark.parametrize(
    ("name", "labels", "golden"),
    [
        ("ranknet", TARGETS, 0.5609468),
        ("ranknet_weighted", TARGETS, 0.1566371),
        ("ranknet_difference", TARGETS, 0.7018277),
        ("ranknet_squares", TARGETS, 1.6152350),
        ("lambda_loss", TARGETS, 0.1050069),
        ("ranknet", GRADES, 0.3109468),
        ("ranknet_weighted", GRADES, 0.0669479),
        ("lambda_loss", GRADES, 0.0401302),
    ],
)
def test_first(name, labels, golden):
    assert float(L.LOSSES[name](S, labels)) == pytest.approx(golden, abs=1e-6)  # the release clamps at 1e-10


def test_first_listnet_took_minus_one_for_padding():
    assert float(L.listnet(S, TARGETS, TARGETS != -1)) == pytest.approx(1.5474106, abs=1e-6)
    assert float(L.listnet(S, TARGETS)) == pytest.approx(1.6363906, abs=1e-6)


def test_own_targets_are_the_scores_dealt_out_by_label():
    assert L.own_targets(S, torch.tensor([[3, 4, 2, 1]])).tolist() == TARGETS.tolist()
    scores = torch.tensor([[9.0, 1.0, 5.0]], requires_grad=True)
    dealt = L.own_targets(scores, torch.tensor([[9, 1, 2]]), torch.tensor([[False, True, True]]))
    assert dealt.tolist() == [[0.0, 1.0, 5.0]]
    assert not dealt.requires_grad
    tied = L.own_targets(S, torch.tensor([[0, 1, 0, 0]]))
    assert tied[0].tolist() == pytest.approx([0.5 / 3, 2.0, 0.5 / 3, 0.5 / 3])
    assert len(tied[0].unique()) == 2


@pytest.mark.parametrize(("options", "golden"), [({}, 0.017), ({"margin": 0.01}, 0.020)])
def test_brio_with_a_reference(options, golden):
    scores = torch.tensor([[-0.9, -1, -0.95, -1.2]], dtype=torch.float64)
    assert float(L.brio(scores, GRADES, gold=torch.tensor([-0.8]), **options)) == pytest.approx(golden, abs=5e-4)


def test_brio_without_one():
    scores = torch.tensor([[-0.9, -1, -0.95, -1.2]], dtype=torch.float64)
    assert float(L.brio(scores, GRADES, margin=0.1)) == pytest.approx(0.125)
    spread = -0.1 * torch.arange(4.0, dtype=torch.float64)[None]
    assert float(L.brio(spread, GRADES, margin=0.0999)) == 0
    above = L.brio(spread, GRADES, margin=0.0999, gold=torch.tensor([-0.2]), gold_weight=0.5)
    assert float(above) == pytest.approx(0.5 * (0.2 + 0.1) / 4)


def test_baidu_anchors():
    grades = torch.tensor([[4, 1, 2]])
    right, wrong = (torch.tensor([f], dtype=torch.float64) for f in ([0.9, 0.4, 0.55], [0.2, 0.4, 0.55]))
    assert float(L.anchored(right, grades)) == pytest.approx(0, abs=1e-12)
    assert float(L.anchored(wrong, grades)) == pytest.approx(1.422)
    pairs_only = L.hinge(wrong, grades, margin=0.1) * 3
    assert float(L.anchored(wrong, grades, weight=0)) == pytest.approx(float(pairs_only))


LIST = torch.tensor([[3.0, 2.0, 1.0, 0.0]], dtype=torch.float64)


def test_ranklist_golden():
    two = torch.tensor([[2.0, -1.0]]), torch.tensor([[1, 0]])
    for exact in (False, True):
        assert float(L.ranklist(*two, exact=exact)) == pytest.approx(0.048587, abs=1e-6)
    assert float(L.ranknet(*two)) == pytest.approx(0.048587, abs=1e-6)
    assert float(L.ranklist(LIST, LIST)) == pytest.approx(1.161, abs=5e-4)
    assert float(L.ranklist(LIST, LIST, exact=True)) == pytest.approx(1.242, abs=5e-4)


def test_ranklist_identities():
    made = torch.Generator().manual_seed(1)
    for _ in range(20):
        s, y = torch.randn(2, 1, 7, generator=made, dtype=torch.float64) * 2
        assert float(L.ranklist(s, y)) <= float(L.ranklist(s, y, exact=True))
        assert float(L.ranklist(s, y, skips=1)) == pytest.approx(float(L.ranklist(s, y, skips=1, exact=True)))
        assert float(L.ranklist(s, y, exact=True)) == pytest.approx(21 * float(L.ranknet(s, y)))
        ones = L.ranklist(s, y, weights=[1, 1, 0, 0, 0, 0])
        assert float(ones) == pytest.approx(float(L.ranklist(s, y, skips=2)))


def test_ranklist_margin_and_weights_choose_pairs():
    s, y = LIST, torch.tensor([[3.0, 2.5, 1.0, 0.0]])
    wide = math.log1p(math.exp(-1)) * 2  # 2.5 over 1, 1 over 0; 3 over 2.5 is too near
    assert float(L.ranklist(s, y, skips=1, margin=1)) == pytest.approx(wide)
    by_hand = 3 * 0.5 * math.log1p(math.exp(-1)) + 2 * 0.25 * math.log1p(math.exp(-2))
    assert float(L.ranklist(s, LIST, weights=[0.5, 0.25], exact=True)) == pytest.approx(by_hand)
    closed = 2 * math.log1p(0.5 * math.exp(-1) + 0.25 * math.exp(-2)) + math.log1p(0.5 * math.exp(-1))
    assert float(L.ranklist(s, LIST, weights=[0.5, 0.25])) == pytest.approx(closed)


def test_ccc_is_pearsons_times_how_near_scale_and_offset_are():
    s, y = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64), torch.tensor([[2.0, 1.0, 3.0]], dtype=torch.float64)
    assert float(L.ccc(s, y)) == pytest.approx(1 / 2)  # cov 1/3, variances 2/3
    assert float(L.ccc(s + 1, y)) == pytest.approx(5 / 7)
    assert float(L.ccc(2 * s, s)) == pytest.approx(7 / 11)
    assert float(L.ccc(s, s)) == pytest.approx(0, abs=1e-12)
    assert float(L.ccc(-s, s - 4)) == pytest.approx(2)
    made = torch.Generator().manual_seed(3)
    for _ in range(20):
        s, y = torch.randn(2, 7, generator=made, dtype=torch.float64) * 3 + 1
        rho = float(torch.corrcoef(torch.stack([s, y]))[0, 1])
        v, u = float(s.std() / y.std()), float((s.mean() - y.mean()) / (s.var(False) * y.var(False)).sqrt().sqrt())
        assert float(L.ccc(s[None], y[None])) == pytest.approx(1 - 2 * rho / (v + 1 / v + u**2))  # Lin's rho C_b
        assert float(L.ccc(5 * s[None] + 2, 5 * y[None] + 2)) == pytest.approx(float(L.ccc(s[None], y[None])))


def test_ccc_counts_groups_whose_labels_vary():
    one = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[2.0, 1.0, 3.0]])
    alike = torch.tensor([[5.0, 1.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.0]])
    both = [torch.cat(pair).requires_grad_() for pair in zip(one, alike)]
    loss = L.ccc(*both)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert not both[0].grad[1].any()


def tau(one, other):
    signs = [(m[:, None] - m[None, :]).sign() for m in (one, other)]
    return float((signs[0] * signs[1]).sum()) / (len(one) * (len(one) - 1))


def test_far_pairs_see_through_noisy_labels():
    found = {}
    for skips in (1, None):
        taus = []
        for seed in range(4):
            made = torch.Generator().manual_seed(seed)
            truth, x = torch.randn(6, generator=made), torch.randn(8, 20, 6, generator=made)
            y = x @ truth + 3 * torch.randn(8, 20, generator=made)
            w = torch.zeros(6, requires_grad=True)
            step = torch.optim.Adam([w], lr=0.1)
            for _ in range(60):
                step.zero_grad()
                L.ranklist(x @ w, y, skips=skips).backward()
                step.step()
            fresh = torch.randn(100, 6, generator=made)
            taus.append(tau(fresh @ w.detach(), fresh @ truth))
        found[skips] = sum(taus) / 4
    assert found[None] > found[1] + 0.05


def test_skip_schedule_goes_from_neighbours_to_all_pairs():
    through = [L.skip_schedule(e, 6, 20) for e in range(8)]
    assert through[0] == 1
    assert through[5:] == [19, 19, 19]
    assert through == sorted(through)
    assert L.skip_schedule(0, 1, 20) == 19
    assert [L.skip_schedule(e, 3, 2) for e in range(4)] == [1, 1, 1, 1]


def test_siblings_agree_where_they_should():
    made = torch.Generator().manual_seed(2)
    s = torch.randn(3, 5, generator=made, dtype=torch.float64)
    order = torch.tensor([[5, 4, 3, 2, 1]]).expand(3, -1)
    binary = torch.tensor([[1, 0, 1, 0, 0]]).expand(3, -1)
    same = lambda a, b: float(a) == pytest.approx(float(b))  # noqa: E731
    assert same(L.pairwise_cross_entropy(s, order), L.ranknet(s, order))
    assert same(L.ranknet_rank_difference(s, order), L.ranknet_difference(s, order))
    assert same(L.listmle(s, binary), 2 * L.infonce(s, binary))
    assert same(L.adaptive_margin(s, order, scale=0), L.infonce(s, order, threshold=4))
    entropy = -(torch.softmax(order.double(), 1) * torch.log_softmax(order.double(), 1)).sum(1).mean()
    assert same(L.listnet(s, order), L.kl_distillation(s, order) + entropy)
    hard = L.infonce(s, order, threshold=4, temperature=0.5)
    assert same(L.soft_infonce(s, order, temperature=0.5, weight=0), hard)
    assert same(L.soft_infonce(s, order, temperature=0.5, weight=2), hard + 2 * L.kl_distillation(s, order))


def ndcg_at(places, grades):
    dcg = lambda at: sum((2**g - 1) / math.log2(1 + p) for p, g in zip(at, grades))  # noqa: E731
    return dcg(places) / dcg([1 + sum(o > g for o in grades) for g in grades])


def test_approx_ndcg_becomes_ndcg():
    s, grades = [0.3, 0.9, -0.5, 0.1], [3, 0, 1, 2]
    loss = L.approx_ndcg(torch.tensor([s], dtype=torch.float64), torch.tensor([grades]), temperature=1e-3)
    assert 1 - float(loss) == pytest.approx(ndcg_at([2, 1, 4, 3], grades))


def test_adr_mse_becomes_the_squared_error_of_ranks():
    s, y = torch.tensor([[0.3, 0.9, -0.5]], dtype=torch.float64), torch.tensor([[3, 2, 1]])
    by_hand = (1 / math.log2(2) + 1 / math.log2(3)) / 3
    assert float(L.adr_mse(s, y, temperature=1e-3)) == pytest.approx(by_hand)
    assert float(L.adr_mse(s, y, temperature=1e-3, discount="none")) == pytest.approx(2 / 3)
    assert float(L.adr_mse(s, y, temperature=1e-3, discount="reciprocal")) == pytest.approx(0.5)
    assert float(L.adr_mse(y.double(), y, temperature=1e-3)) == pytest.approx(0, abs=1e-12)


def test_lambdarank_weighs_by_what_a_swap_changes():
    s, grades, places = [0.3, 0.9, -0.5, 0.1], [3, 0, 1, 2], [2, 1, 4, 3]
    cost = []
    for i in range(4):
        for j in range(4):
            if grades[i] > grades[j]:
                swapped = list(places)
                swapped[i], swapped[j] = places[j], places[i]
                change = abs(ndcg_at(places, grades) - ndcg_at(swapped, grades))
                cost.append(change * math.log2(1 + math.exp(s[j] - s[i])))
    loss = L.lambdarank(torch.tensor([s], dtype=torch.float64), torch.tensor([grades]))
    assert float(loss) == pytest.approx(sum(cost) / len(cost))
