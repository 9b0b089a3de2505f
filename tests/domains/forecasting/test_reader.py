"""The reader: order in time, what it may not see, the alignment loss in its mended and its faithful form."""

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from anyrank.core.errors import InputError
from anyrank.domains.forecasting.reader import MISSING, Alignment, Case, Reader, alignment_loss, future, time_order
from anyrank.testing.tiny import t5


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return t5(tmp_path_factory.mktemp("t5"))


def test_ranks_and_the_argsort_differ():
    """[30, 10, 20]: the first article is the latest. argsort's indices say that it is the second."""
    dates = torch.tensor([[30.0, 10.0, 20.0]])
    assert time_order(dates).tolist() == [[2, 0, 1]]
    assert time_order(dates, faithful=True).tolist() == [[1, 2, 0]]
    assert not torch.equal(future(time_order(dates)), future(time_order(dates, faithful=True)))


@pytest.mark.parametrize("i", range(4))
def test_no_article_sees_a_later_one(i):
    torch.manual_seed(0)
    model = Alignment(16, heads=4).eval()
    order = torch.tensor([[2, 0, 1, 1]])
    vectors = torch.randn(1, 4, 16)
    changed = vectors.clone()
    changed[0, i] += 3
    with torch.no_grad():
        moved = (model(vectors, order) - model(changed, order)).abs()[0] > 1e-6
    assert moved.tolist() == [int(order[0, j]) >= int(order[0, i]) for j in range(4)]


def test_missing_forecasts_have_no_gradient_unless_faithful():
    x = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    targets = torch.tensor([0.7, MISSING, MISSING])
    alignment_loss(x, targets).backward()
    assert x.grad[0] != 0
    assert x.grad[1:].tolist() == [0.0, 0.0]
    only = torch.tensor([MISSING])
    for value in (-2.0, 0.0, 1.5):
        x = torch.tensor([value])
        assert float(alignment_loss(x, only)) == 0
        softplus = float(torch.nn.functional.softplus(x))
        assert float(alignment_loss(x, only, faithful=True)) == pytest.approx(101 * softplus, rel=1e-5)
    known = torch.tensor([0.2, 0.9])
    x = torch.tensor([0.4, -0.4])
    assert float(alignment_loss(x, known)) == pytest.approx(float(alignment_loss(x, known, faithful=True)))
    number = alignment_loss(torch.zeros(2), torch.tensor([0.2, MISSING]), numbers=True)
    assert float(number) == pytest.approx(0.3)


def case(answer):
    contexts = ["the river yes" if answer == "yes" else "the city no", "a number"]
    return Case(contexts, [1.0, 2.0], [0.8, MISSING], answer, ["yes", "no"])


def test_the_reader_learns_to_answer(start):
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(start)
    reader = Reader(AutoModelForSeq2SeqLM.from_pretrained(start), tokenizer, articles=3, max_length=16)
    cases = [case("yes"), case("no")]
    optimiser = torch.optim.AdamW(reader.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = reader.loss(cases)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    reader.eval()
    for one in cases:
        answer = reader.answer(one)
        assert sum(answer.values()) == pytest.approx(1, abs=1e-5)
        assert max(answer, key=answer.get) == one.answer
    with pytest.raises(InputError, match="without articles"):
        reader.answer(Case([], [], [], "yes", ["yes", "no"]))


def test_of_few_articles_the_first_is_repeated(start):
    tokenizer = AutoTokenizer.from_pretrained(start)
    reader = Reader(AutoModelForSeq2SeqLM.from_pretrained(start), tokenizer, articles=4, max_length=8).eval()
    with torch.no_grad():
        states, mask, vectors = reader.read(case("yes"))
    assert states.shape == (1, 32, 32)
    assert mask.shape == (1, 32)
    assert torch.allclose(vectors[0, 2], vectors[0, 0], atol=1e-6)
    assert not torch.allclose(vectors[0, 1], vectors[0, 0], atol=1e-3)
