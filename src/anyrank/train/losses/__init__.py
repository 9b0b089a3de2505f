"""Ranking losses as pure functions: ``loss(scores, labels, mask=None, *, parameters) -> scalar tensor``.

Scores and labels are [batch, n] tensors, one row a group (a query with its candidates), labels higher for better:
grades, or a teacher's scores. The mask [batch, n] is True for candidates, False for padding. Every loss is right for
groups of unequal size, blind to the order of the candidates, finite in value and gradient for any score to 1e4, and 0
(with a zero gradient) if there is nothing to compare. Each is the mean over the groups that have something to compare,
and its docstring says how the mean within a group is taken; ``mean="pair"``, where a loss has it, is over all pairs of
the batch (all candidates, for losses over single ones), as FIRST's release, allRank and sentence-transformers do.

Bind parameters with functools.partial; add a loss of your own as a function, try it with `anyrank.testing.check_loss`.
In a training, a loss with a parameter ``epoch`` gets it (from 0, with fractions), so that any parameter can follow a
schedule: RankList's skips do (``grow``); one with a parameter ``grades`` gets the judged grades beside a teacher's
labels, if the groups have them (``margin_mse``).

``LOSSES`` has them by name. Beside it are the losses over tokens (``language``), ``in_batch`` (any loss over the
whole batch's score matrix), ``per_group`` and RankList's ``skip_schedule``.

>>> import torch
>>> round(float(LOSSES["ranknet"](torch.tensor([[2., -1.]]), torch.tensor([[1., 0.]]))), 6)
0.048587
"""

from .contrastive import adaptive_margin, in_batch, infonce, soft_infonce
from .distillation import kl_distillation, margin_mse, margin_mse_all
from .language import (
    RANK_WEIGHTS,
    combine,
    importance_weights,
    language_loss,
    own_targets,
    unlikelihood,
)
from .listwise import brio, listmle, listnet, plistmle, ranklist, skip_schedule
from .metric import adr_mse, approx_ndcg, lambda_loss, lambdarank, ndcg_loss2pp, neural_ndcg
from .pairwise import (
    anchored,
    hinge,
    pairwise_cross_entropy,
    pairwise_softmax,
    ranknet,
    ranknet_difference,
    ranknet_rank_difference,
    ranknet_squares,
    ranknet_weighted,
)
from .pointwise import binary_cross_entropy, ccc, mse, smooth_l1
from .shared import Loss, Mean, per_group

LOSSES: dict[str, Loss] = {
    "adaptive_margin": adaptive_margin,
    "adr_mse": adr_mse,
    "anchored": anchored,
    "approx_ndcg": approx_ndcg,
    "binary_cross_entropy": binary_cross_entropy,
    "brio": brio,
    "ccc": ccc,
    "hinge": hinge,
    "infonce": infonce,
    "kl_distillation": kl_distillation,
    "lambda_loss": lambda_loss,
    "lambdarank": lambdarank,
    "listmle": listmle,
    "listnet": listnet,
    "margin_mse": margin_mse,
    "margin_mse_all": margin_mse_all,
    "mse": mse,
    "ndcg_loss2pp": ndcg_loss2pp,
    "neural_ndcg": neural_ndcg,
    "pairwise_cross_entropy": pairwise_cross_entropy,
    "pairwise_softmax": pairwise_softmax,
    "plistmle": plistmle,
    "ranklist": ranklist,
    "ranknet": ranknet,
    "ranknet_difference": ranknet_difference,
    "ranknet_rank_difference": ranknet_rank_difference,
    "ranknet_squares": ranknet_squares,
    "ranknet_weighted": ranknet_weighted,
    "smooth_l1": smooth_l1,
    "soft_infonce": soft_infonce,
}

__all__ = [
    "LOSSES",
    "RANK_WEIGHTS",
    "Loss",
    "Mean",
    "combine",
    "importance_weights",
    "in_batch",
    "language_loss",
    "own_targets",
    "per_group",
    "skip_schedule",
    "unlikelihood",
    *LOSSES,
]
