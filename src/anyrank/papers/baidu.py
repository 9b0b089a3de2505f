"""Human-anchored fine-tuning: pairs in order, and every score near its grade, so that scores mean the same everywhere.

Zou et al., "Pre-trained Language Model based Ranking in Baidu Search", KDD 2021, arXiv 2105.11108. Grades from 0 to 4
are anchored to scores of .1, .3, … .9. The loss's slack (.01) and weight (.7) are the paper's; its margin, rates and
tables were not at hand, so margin, rate, the start and the share of low layers are ours. The encoder is the paper's
pyramid (`models/pyramid.py`); its grades out of clicks are made by `anyrank synth clicks`. Documents
are ``{"title": …, "text": …}``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="baidu",
    title="Pre-trained Language Model based Ranking in Baidu Search",
    arxiv="2105.11108",
    year=2021,
    summary="training: a hinge over pairs, and each score anchored to its grade; a pyramid of low and high layers",
    needs="groups graded from 0 to 4",
)


def recipe(
    out: str, train: Sequence[str | Source], *, margin: float = 0.1, start: str = "google-bert/bert-base-chinese"
) -> Recipe:
    """The fine-tuning on graded groups."""
    return Recipe(
        out=out,
        model=Model(kind="pyramid", start=start),
        data=Data(train=tuple(train)),
        losses=(Loss(name="anchored", options={"margin": margin, "weight": 0.7, "slack": 0.01}),),
        optimiser=Optimiser(batch=16),
        export=Export(int8=False),
    )
