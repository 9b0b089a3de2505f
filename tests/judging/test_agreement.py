"""Cohen's kappa against values of scikit-learn 1.9.1 (cohen_kappa_score), and at its ends."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.judging.agreement import Agreement

FIRST, SECOND = [0, 1, 2, 3, 3, 2, 1, 0, 0, 2, 3, 1], [0, 1, 3, 3, 2, 2, 0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize(("weighted", "kappa"), [(True, 0.75), (False, 0.4444444444444444)])
def test_kappa_is_scikit_learns(weighted, kappa):
    ours = Agreement.of(FIRST, SECOND, weighted=weighted)
    assert ours.kappa == pytest.approx(kappa, abs=1e-12)
    assert ours.low < ours.kappa < ours.high
    assert np.sum(ours.table) == ours.count == 12


def test_full_agreement_is_one_and_none_is_refused():
    same = Agreement.of([0, 3, 1], [0, 3, 1])
    assert (same.kappa, same.low, same.high) == (1, 1, 1)
    assert Agreement.of([2, 2], [2, 2]).kappa == 1
    with pytest.raises(InputError, match="1 and 2 labels"):
        Agreement.of([1], [1, 2])
