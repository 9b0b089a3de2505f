"""`check_model`: the contract suite of models, every kind of which keeps `models.base.Model`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.rerank import Judge
from ..core.types import Candidate, Query

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.base import Model

QUERIES = ("lift of wing", "heat", "")
TEXTS = (("wing", "lift lift drag plate of flow heat wing layer", ""), ("heat shock",), ("drag", "plate of"))
LONG = "wing " * 2000
CLOSE = 1e-4


def candidates_of(groups: Sequence[Sequence[Any]]) -> list[list[Candidate]]:
    """Contents as candidates, their ids "0", "1", … within each group.

    >>> candidates_of([["a", "b"]])[0][1].id
    '1'
    """
    return [[Candidate(str(i), content) for i, content in enumerate(group)] for group in groups]


def check_model(
    model: Model,
    folder: Path,
    queries: Sequence[Any] = QUERIES,
    contents: Sequence[Sequence[Any]] = TEXTS,
    *,
    texts: bool = True,
    sees_all: bool = False,
    titles: bool = True,
    by_name: Callable[[Path], Judge] | None = None,
) -> None:
    """Check a model on groups of ``contents`` for ``queries``. Raises AssertionError with the broken promise.

    Scores are finite, the same whatever else is in the batch and in whichever order the candidates are, the same for a
    candidate alone (unless the model ``sees_all`` candidates together), and equal to the last digit after saving to
    ``folder`` and loading. If contents are ``texts``, they may also be mappings and None, and truncated ones are
    counted; without ``titles`` a title may count otherwise than as the beginning of the text. ``by_name`` opens the
    saved folder as users do, by its name, and gives the same scores.
    """
    import torch

    model.eval()  # type: ignore[attr-defined]
    with torch.no_grad():
        _check_kind(model)
        scores = _check_scores(model, queries, contents)
        _check_batches(model, queries, contents, scores, sees_all)
        if texts:
            _check_contents(model, queries[0], titles)
        _check_truncated(model, queries, contents, texts)
        _check_saved(model, folder, queries, contents)
    if by_name is not None:
        groups = [(Query(str(i), q), g) for i, (q, g) in enumerate(zip(queries, candidates_of(contents)))]
        for row, judgement in zip(scores.tolist(), by_name(folder)(groups), strict=True):
            same = all(abs(a - b) < CLOSE for a, b in zip(row, judgement.scores))
            assert same, f"{folder} by its name scores {list(judgement.scores)}, the model {row}"


def _scores(model: Any, queries: Sequence[Any], groups: Sequence[Sequence[Candidate]]) -> Tensor:
    scores: Tensor = model(**model.features(queries, groups))
    return scores


def _check_kind(model: Model) -> None:
    from ..models import kinds, model_class
    from ..models.base import Model

    assert isinstance(model, Model), f"{type(model).__name__} lacks a method of models.base.Model"
    assert model.kind in kinds(), f"kind {model.kind!r} is no file of models/: {', '.join(kinds())}"
    assert model_class(model.kind) is type(model), f"models/{model.kind}.py does not define {type(model).__name__}"


def _check_scores(model: Model, queries: Sequence[Any], contents: Sequence[Sequence[Any]]) -> Tensor:
    import torch

    groups = candidates_of(contents)
    features = model.features(queries, groups)
    scores: Tensor = model(**features)  # type: ignore[operator]
    mask = features["mask"]
    assert mask.sum(1).tolist() == [len(g) for g in groups], "mask is not True for candidates and False for padding"
    assert scores.shape == mask.shape, f"scores are {tuple(scores.shape)}, the mask is {tuple(mask.shape)}"
    assert bool(torch.isfinite(scores).all()), f"a score is no number: {scores.tolist()}"
    assert not scores[~mask].any(), "the score of padding is not 0"
    return scores


def _check_batches(
    model: Model, queries: Sequence[Any], contents: Sequence[Sequence[Any]], scores: Tensor, sees_all: bool
) -> None:
    import torch

    groups = candidates_of(contents)
    for query, group, row in zip(queries, groups, scores):
        mine = row[: len(group)]
        alone = _scores(model, [query], [group])[0]
        assert torch.allclose(alone, mine, atol=CLOSE), f"a batch changes scores: {alone.tolist()}, {mine.tolist()}"
        reversed_ = _scores(model, [query], [group[::-1]])[0].flip(0)
        assert torch.allclose(reversed_, mine, atol=CLOSE), "the order of the candidates changes their scores"
        if not sees_all:
            each = torch.cat([_scores(model, [query], [[c]])[0] for c in group])
            assert torch.allclose(each, mine, atol=CLOSE), "other candidates change a score"


def _check_contents(model: Model, query: Any, titles: bool) -> None:
    contents: list[Any] = ["wing lift", {"text": "wing lift"}, {"title": "wing", "text": "lift"}, "", None]
    row = _scores(model, [query], candidates_of([contents]))[0].tolist()
    same = row[: 3 if titles else 2]
    assert max(same) - min(same) < CLOSE, f"a mapping is scored differently from its text: {same}"
    assert abs(row[3] - row[4]) < CLOSE, f"None is scored differently from an empty text: {row[3:]}"


def _check_truncated(model: Model, queries: Sequence[Any], contents: Sequence[Sequence[Any]], texts: bool) -> None:
    counted = model.truncated(queries, candidates_of(contents))
    assert len(counted) == len(queries), f"{len(counted)} counts of truncated texts for {len(queries)} groups"
    if texts:
        assert model.truncated(["wing"], candidates_of([["wing", LONG, "lift"]])) == [1], "a cut text is not counted"


def _check_saved(model: Model, folder: Path, queries: Sequence[Any], contents: Sequence[Sequence[Any]]) -> None:
    import torch

    from ..models import model_class

    model.save(folder)
    config = json.loads((folder / "anyrank.json").read_text(encoding="utf-8"))
    assert config.get("runtime"), "anyrank.json names no runtime"
    # a kind may be saved as the kind that it extends, such as an encoder whose training alone is its own
    assert isinstance(model, model_class(config["kind"])), f"anyrank.json states kind {config['kind']!r}"
    loaded: Any = type(model).from_folder(folder)
    loaded.eval()
    groups = candidates_of(contents)
    # of equal weights, their place in memory may decide the last digits of a product
    before, after = _scores(model, queries, groups), _scores(loaded, queries, groups)
    same = torch.allclose(before, after, rtol=1e-5, atol=1e-6)
    assert same, "a saved model that is loaded gives other scores"
