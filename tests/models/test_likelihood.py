"""Texts scored by their likelihood after a query, by causal models and encoder-decoders."""

import pytest
import torch

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.models.likelihood import Likelihood
from anyrank.papers import load
from anyrank.testing.check_model import candidates_of, check_model
from anyrank.testing.tiny import llama, t5
from anyrank.train.group import Group
from anyrank.train.judge import ModelJudge
from anyrank.train.recipe import Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train

TEXTS = ["the city", "the river and the number of the city", "yes"]


@pytest.fixture(scope="module", params=["llama", "t5"])
def start(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return llama(folder, chat="") if request.param == "llama" else t5(folder)


def test_it_keeps_the_contract_of_models(start, tmp_path):
    model = Likelihood.from_folder(start, max_length=250, alpha=0.6).eval()
    check_model(model, tmp_path / "m", by_name=lambda f: ModelJudge(Likelihood.from_folder(f)))
    assert Likelihood.from_folder(tmp_path / "m").alpha == 0.6
    assert callable(open_model(str(tmp_path / "m")))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_the_saved_model_scores_as_the_judge_over_the_same_language_model(alpha, start, tmp_path):
    model = Likelihood.from_folder(start, max_length=250, alpha=alpha).eval()
    with torch.no_grad():
        (scores,) = model(**model.features(["which river"], candidates_of([TEXTS]))).tolist()
    model.save(tmp_path)
    ranking = Ranking(Query("q", "which river"), tuple(Candidate(str(i), t) for i, t in enumerate(TEXTS)))
    prompt = "article" if model.body.config.is_encoder_decoder else "summary"
    stage = load("brio").build(open_model(f"hf:{tmp_path}", dtype="float32"), alpha=alpha, prompt=prompt)
    after = {c.id: c.score for c in stage(ranking)}
    assert after == pytest.approx(dict(zip("012", scores)), abs=1e-4)


def test_the_ranking_loss_teaches_the_order_of_summaries(tmp_path):
    start = llama(tmp_path / "start", chat="")
    groups = [
        Group.from_texts(q, ["the city", "a number", "yes", "the river"], [0.1, 0.9, 0.3, 0.5], q)
        for q in ("which", "passage", "query", "document")
    ]
    recipe = Recipe(
        out=str(tmp_path / "out"),
        model=Model(kind="likelihood", start=start, max_length=64, options={"alpha": 1.0}),
        losses=(Loss(name="brio", weight=10.0, options={"margin": 0.01}),),
        optimiser=Optimiser(rate=3e-3, epochs=12, batch=4, bf16=False),
        check=Check(measure="nDCG@10"),
        export=Export(int8=False),
    )
    trained = train(recipe, train=groups)
    with torch.no_grad():
        model = trained.model.eval()
        (scores,) = model(**model.features(["which"], [list(groups[0].candidates)]))
    assert scores.argsort(descending=True).tolist() == [1, 3, 2, 0]
