"""AcuRank: the settings reach the grouping, and a model that agrees with the input is asked few times."""

from anyrank.core.groupings import Uncertain
from anyrank.papers import card
from anyrank.papers.acurank import build
from anyrank.testing import OracleModel


def test_settings_and_cost():
    stage = build(OracleModel({}), size=10, k=5, doubt=0.1, most=2)
    assert (stage.grouping, stage.name) == (Uncertain(10, 5, 0.1, 2), "acurank")
    assert card("acurank").cost(100).calls <= 9
