"""RankList: RankNet over neighbours in the gold order, then over ever farther pairs; and what it is compared with.

Naini, Diaz and Busso, "RankList: A Listwise Preference Learning Framework for Predicting Subjective Preferences", 2025,
arXiv 2508.09826. The loss is derived from the abstract (see ``losses.ranklist``): its formula, sizes and rates were not
at hand, so those here are ours. The paper ranks speech and images; here any text that has a graded preference.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import InputError
from ..train.recipe import Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

BASELINES = ("ranknet", "listnet", "listmle", "approx_ndcg", "ccc")

CARD = Card(
    name="ranklist",
    title="RankList: A Listwise Preference Learning Framework for Predicting Subjective Preferences",
    arxiv="2508.09826",
    year=2025,
    summary="training: pairs at growing distance in the gold order, one log-sum-exp an anchor",
    needs="groups with graded preferences",
)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    loss: str = "ranklist",
    epochs: int = 4,
    margin: float = 0.0,
    start: str = "google-bert/bert-base-uncased",
) -> Recipe:
    """RankList with skips that grow from 1 to all over the ``epochs``, pairs at least ``margin`` apart; or one of the
    ``BASELINES``. Raises InputError on another loss."""
    if loss not in ("ranklist", *BASELINES):
        raise InputError(f"loss={loss!r}: choose ranklist or one of {', '.join(BASELINES)}")
    options = {"grow": epochs, "margin": margin} if loss == "ranklist" else {}
    return Recipe(
        out=out,
        model=Model(start=start),
        data=Data(train=tuple(train)),
        losses=(Loss(name=loss, options=options),),
        optimiser=Optimiser(epochs=epochs),
    )
