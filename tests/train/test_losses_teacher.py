"""Losses that learn from a teacher, and losses over tokens."""

import math

import pytest

pytest.importorskip("torch")
import torch

from anyrank.train import losses as L
from anyrank.train.losses.language import IGNORED


def made(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_margin_mse_is_the_published_one():
    s, t = made(6, 2), made(6, 2, seed=1)  # in half of the pairs the teacher prefers the negative
    by_hand = ((s[:, 0] - s[:, 1]) - (t[:, 0] - t[:, 1])).square().mean()
    assert float(L.margin_mse(s, t)) == pytest.approx(float(by_hand))
    assert float(L.margin_mse_all(s, t)) == pytest.approx(float(by_hand))
    groups, teacher = made(6, 5), made(6, 5, seed=1)
    difference = groups - teacher
    assert float(L.margin_mse_all(groups, teacher)) == pytest.approx(2 * float(difference.var(1).mean()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("negatives", [1, 3])
def test_margin_mse_equals_that_of_sentence_transformers(negatives):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import MarginMSELoss

    class Model(CrossEncoder):
        """Gives the scores made ready for it, a column a call."""

        num_labels, device = 1, torch.device("cpu")

        def __init__(self, scores):
            torch.nn.Module.__init__(self)
            self.columns = iter(scores.T)

        def preprocess(self, pairs, **kwargs):
            return {"scores": next(self.columns)}

        def forward(self, features):
            return features

    s, t = made(4, 1 + negatives).float(), made(4, 1 + negatives, seed=1).float()
    t[:, 0] = t.max(1).values + 1  # their first text is the positive, ours the teacher's best
    texts = [["text"] * 4] * (2 + negatives)
    theirs = MarginMSELoss(Model(s))(texts, (t[:, :1] - t[:, 1:]).squeeze(1))
    assert float(L.margin_mse(s, t)) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("name", ["margin_mse", "margin_mse_all", "kl_distillation"])
def test_a_teachers_offset_is_nothing(name):
    loss, s, t = L.LOSSES[name], made(3, 5), made(3, 5, seed=1)
    assert float(loss(s + 3, t)) == pytest.approx(float(loss(s, t)))
    assert float(loss(s, t - 90)) == pytest.approx(float(loss(s, t)))
    equal = (t + 5).requires_grad_()
    value = loss(equal, t)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert equal.grad.abs().max() < 1e-12


def test_margins_converge_where_plain_mse_keeps_an_offset():
    x = made(20, 2, 3)
    t = x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + 40
    left = {}
    for name in ("margin_mse", "mse"):
        w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        step = torch.optim.SGD([w], lr=0.05)
        for _ in range(300):
            step.zero_grad()
            L.LOSSES[name](x @ w, t).backward()
            step.step()
        left[name] = float(L.LOSSES[name]((x @ w).detach(), t))
    assert left["margin_mse"] < 1e-6
    assert left["mse"] > 100


def test_kl_temperatures():
    s, t = made(3, 5), made(3, 5, seed=1)
    assert float(L.kl_distillation(t / 2, t, teacher_temperature=2)) == pytest.approx(0, abs=1e-12)
    assert float(L.kl_distillation(s, t, temperature=3)) == pytest.approx(float(L.kl_distillation(s / 3, t)))


def test_the_adaptive_margin_grows_with_the_teachers_gap_and_leaves_likely_positives():
    s, t = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[9.0, 8.5, 4.0]])
    by_hand = math.log1p(math.exp(1 - 2 + 0.2 * 0.5) + math.exp(0 - 2 + 0.2 * 5))
    assert float(L.adaptive_margin(s, t, scale=0.2)) == pytest.approx(by_hand)
    alone = math.log1p(math.exp(-2 + 0.2 * 5))
    assert float(L.adaptive_margin(s, t, scale=0.2, near=0.5)) == pytest.approx(alone)


PROMPT, OPEN, CLOSE, MORE = IGNORED, 4, 5, 0  # a vocabulary of six: " >", the labels 1 to 3, the brackets
LINE = [PROMPT, PROMPT, OPEN, 3, CLOSE, MORE, OPEN, 1, CLOSE, MORE, OPEN, 2, CLOSE]


def test_importance_weights_of_a_line():
    second = 1 + 1 / math.log2(3)
    wanted = [0, 0, *[2] * 3, 1, *[second] * 3, 1, *[1.5] * 3]
    assert L.importance_weights(torch.tensor([LINE]), MORE)[0].tolist() == pytest.approx(wanted)
    long = L.importance_weights(torch.tensor([[1, MORE] * 100]), MORE)[0, ::2].tolist()
    assert [round(long[i - 1], 3) for i in (1, 2, 3, 10, 100)] == [2, 1.631, 1.5, 1.289, 1.15]


def test_language_loss_is_that_of_a_loop():
    tokens = torch.tensor([LINE, [*LINE[:9], *[IGNORED] * 4]])
    logits = made(2, len(LINE), 6)
    loss, count = 0.0, 0
    for row, line in zip(logits, tokens.tolist()):
        rank = 1
        for p, token in zip(torch.log_softmax(row, 1), line):
            if token == IGNORED:
                continue
            weight = 1.0 if token == MORE else 1 + 1 / math.log2(rank + 1)
            rank += token == MORE
            loss, count = loss - weight * float(p[token]), count + 1
    weights = L.importance_weights(tokens, MORE)
    assert float(L.language_loss(logits, tokens, weights)) == pytest.approx(loss / count)
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
    assert float(L.language_loss(logits, tokens)) == pytest.approx(float(plain))
    smooth = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), label_smoothing=0.1)
    assert float(L.language_loss(logits, tokens, smoothing=0.1)) == pytest.approx(float(smooth))


def test_unlikelihood_is_finite_where_the_model_is_sure():
    logits, tokens = made(2, len(LINE), 6), torch.tensor([LINE, LINE])
    p = torch.softmax(logits, 2).gather(2, tokens.clamp(min=0)[:, :, None])[:, :, 0][tokens != IGNORED]
    assert float(L.unlikelihood(logits, tokens)) == pytest.approx(float(-torch.log(1 - p).mean()))
    sure = torch.zeros(1, 1, 6)
    sure[0, 0, 3] = 1e4
    sure.requires_grad_()
    for token, wanted in ((3, 1e4 - math.log(5)), (2, 0.0)):
        loss = L.unlikelihood(sure, torch.tensor([[token]]))
        (slope,) = torch.autograd.grad(loss, sure)
        assert loss.item() == pytest.approx(wanted)
        assert slope.isfinite().all()


@pytest.mark.parametrize("loss", [L.language_loss, L.unlikelihood])
def test_no_target_token_is_zero(loss):
    logits = made(1, 3, 6).requires_grad_()
    value = loss(logits, torch.full((1, 3), IGNORED))
    value.backward()
    assert value == 0
    assert not logits.grad.any()


def test_combined_loss_leaves_out_and_counts_what_is_not_finite():
    lm = torch.tensor(2.0, requires_grad=True)
    rank = torch.tensor(0.5, requires_grad=True)
    weight = L.RANK_WEIGHTS.get("ranknet_weighted", 1.0)
    loss, skipped = L.combine(lm, rank, weight)
    loss.backward()
    assert (loss.item(), skipped, lm.grad.item(), rank.grad.item()) == (7.0, 0, 1.0, 10.0)
    assert L.RANK_WEIGHTS["listnet"] == 0.1
    assert set(L.RANK_WEIGHTS) <= set(L.LOSSES)
    for bad in (math.nan, math.inf):
        loss, skipped = L.combine(lm, rank * bad, weight)
        assert (loss.item(), skipped) == (2.0, 1)
        assert torch.autograd.grad(loss, lm)[0] == 1
