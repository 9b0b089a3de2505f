"""The student is the shipped `mini` in floating point; averages of weights are what they say."""

import pytest

torch = pytest.importorskip("torch")

from anyrank.core.errors import InputError  # noqa: E402
from anyrank.core.types import Candidate, Query  # noqa: E402
from anyrank.hub.open import open_model  # noqa: E402
from anyrank.hub.registry import get  # noqa: E402
from anyrank.synth.student import MINI, average, trainable, weights_of  # noqa: E402
from anyrank.train.group import Group  # noqa: E402
from anyrank.train.soft_measures import spearman  # noqa: E402
from anyrank.train.validation import scores  # noqa: E402

TEXTS = [
    "A wing gives lift since air flows over it.",
    "Heat spreads in plates of steel.",
    "Lift and drag of a wing in a wind tunnel.",
    "The tide follows the moon.",
    "Shock waves form ahead of blunt bodies.",
    "Bread rises slowly with sourdough.",
]


def test_the_student_scores_as_the_shipped_mini():
    row = get(MINI)
    if row is None or not row.complete:
        pytest.skip("all-minilm-l6-v2 isn't on this machine")
    pytest.importorskip("onnx")
    torch.set_num_threads(1)
    model = trainable("mini")
    for query in ("what gives a wing lift", "heat transfer", "moon"):
        (mine,) = scores(model, [Group.from_texts(query, TEXTS, [0.0] * len(TEXTS))])
        candidates = [Candidate(str(i), text) for i, text in enumerate(TEXTS)]
        (shipped,) = open_model("mini")([(Query("q", query), candidates)])
        assert max(abs(a - b) for a, b in zip(mine, shipped.scores)) < 1.0
        assert spearman(mine, shipped.scores) > 0.9


def test_averages_of_weights():
    model = torch.nn.Linear(2, 1)
    start = weights_of(model)
    with torch.no_grad():
        model.weight += 1
    end = weights_of(model)
    average(model, start, end, 0.25)
    assert torch.allclose(model.weight, start["weight"] + 0.25)
    average(model, start, end, 0.0)
    assert torch.equal(model.weight, start["weight"])


def test_a_kind_that_it_does_not_train_is_an_error(tmp_path):
    from anyrank.testing.tiny import encoder

    encoder(tmp_path / "body")
    with pytest.raises(InputError, match="adapt trains late, cross"):
        trainable(str(tmp_path / "body"))
