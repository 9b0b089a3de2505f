"""What a training can't do is said before it writes anything, whether it is the start, an option or the data; and
starts whose output layer is tied to their embeddings train like others."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from anyrank.core.errors import InputError, MissingExtra
from anyrank.hub.open import open_model
from anyrank.models.parade import Parade
from anyrank.testing.tiny import encoder, llama, t5
from anyrank.train.group import Group
from anyrank.train.losses import LOSSES
from anyrank.train.recipe import Adapters, Data, Export, Language, Loss, Model, Optimiser, Recipe
from anyrank.train.reinforce import Reinforce
from anyrank.train.run import train
from anyrank.train.sources import Source, read_sources

WORDS = ("river", "city", "number", "passage")
GROUPS = [Group.from_texts(w, [f"the {w}", "yes", "no"], (1.0, 0.0, 0.0), w) for w in WORDS]
NONE = [replace(g, labels=(0.0, 0.0, 0.0)) for g in GROUPS]
STEP = Optimiser(steps=1, batch=2, bf16=False)


def recipe(folder, kind, start, losses=("infonce",), **more):
    options = more.pop("options", {})
    model = Model(kind=kind, start=start, max_length=more.pop("length", 32), options=options)
    named = tuple(Loss(name=name) for name in losses)
    export = Export(int8=False)
    return Recipe(out=str(folder), model=model, losses=named, optimiser=STEP, export=export, **more)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return encoder(tmp_path_factory.mktemp("bert"), "bert", "body")


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    """A causal model whose output layer is its table of words, as those of small Qwen and SmolLM are."""
    plain, folder = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("tied")
    llama(plain)
    config = AutoConfig.from_pretrained(plain)
    config.tie_word_embeddings = True
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(plain).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("kind", "losses"), [("likelihood", ["brio"]), ("verdict", ["infonce"]), ("promptreps", [])])
def test_a_start_with_tied_embeddings_trains_and_opens(kind, losses, tied, tmp_path):
    made = train(recipe(tmp_path / "m", kind, tied, losses, length=250), train=GROUPS)
    assert (made.folder / "checkpoints" / "checkpoint-1" / "complete").is_file()
    again = train(recipe(tmp_path / "m", kind, tied, losses, length=250), train=GROUPS, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(made.model.parameters(), again.model.parameters(), strict=True))
    assert open_model(str(made.folder))


def test_an_encoder_decoder_trains_by_brios_loss(tmp_path):
    (tmp_path / "t5").mkdir()
    made = train(recipe(tmp_path / "m", "likelihood", t5(tmp_path / "t5"), ["brio"]), train=GROUPS)
    assert open_model(str(made.folder))


def refused(message, recipe, groups=GROUPS):
    with pytest.raises(InputError, match=message):
        train(recipe, train=groups)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bi", {"nosuch": 1}, "model.options: a model of kind bi has no option 'nosuch'"),
        ("tk", {"layers": 0}, "kind tk from .* with the options {'layers': 0} can't compute a loss"),
        ("likelihood", {}, "model.start: no model of kind likelihood can be made of .*distilbert"),
    ],
)
def test_a_model_that_can_not_be_trained_leaves_no_folder(kind, options, message, bert, tmp_path):
    start = bert
    if kind == "likelihood":
        (tmp_path / "distilbert").mkdir()
        start = encoder(tmp_path / "distilbert", "distilbert", "body")
    refused(message, recipe(tmp_path / "out", kind, start, ["hinge"], options=options, length=32))
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_without_padding_is_no_start_of_an_encoder(tmp_path):
    (tmp_path / "llama").mkdir()
    start = llama(tmp_path / "llama")
    tokenizer = AutoTokenizer.from_pretrained(start)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(start)
    refused("has no padding token, which a cross model needs", recipe(tmp_path / "out", "cross", start))
    assert not (tmp_path / "out").exists()


def test_more_weights_than_there_are_can_not_be_chosen(bert, tmp_path):
    sparse = Adapters(method="sparse", keep=10_000_000, first_steps=1)
    refused("adapters.keep: 10,000,000 weights to train, of", recipe(tmp_path / "out", "cross", bert, adapters=sparse))
    assert not (tmp_path / "out").exists()


def test_a_list_too_long_for_the_model_is_named_before_the_first_step(tied, tmp_path):
    long = replace(GROUPS[0], labels=(2.0, 1.0, 0.0), id="long", candidates=GROUPS[0].candidates)
    language = Recipe(
        out=str(tmp_path / "out"), model=Model(kind="language", start=tied, max_length=20), language=Language(),
        optimiser=STEP,
    )  # fmt: skip
    refused("query 'long': .* tokens > max_length=20", language, [long])
    assert not (tmp_path / "out").exists()


def test_without_trl_nothing_is_written(tied, tmp_path):
    if importlib.util.find_spec("trl"):
        pytest.skip("trl is installed")
    rewards = Recipe(
        out=str(tmp_path / "out"), model=Model(kind="language", start=tied), rl=Reinforce(task="best"), optimiser=STEP
    )
    with pytest.raises(MissingExtra, match="trl"):
        train(rewards, train=GROUPS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "losses", "options"), [("bi", ["infonce"], {"in_batch": True}), ("deepct", [], {}), ("easyrec", [], {})]
)
def test_groups_without_a_relevant_text_teach_nothing(kind, losses, options, bert, tmp_path):
    refused("no text is relevant", recipe(tmp_path / "out", kind, bert, losses, options=options, length=32), NONE)
    assert not (tmp_path / "out").exists()


def test_curricula_and_drawing_say_where_priors_come_from(bert, tmp_path):
    drawn = recipe(tmp_path / "out", "cross", bert, data=Data())
    refused(
        "data.draw needs priors, but query 'river' has none: .*anyrank distill",
        replace(drawn, data=Data(draw=replace(Data().draw, negatives=1))),
    )


def test_language_adapters_learn_from_plain_text_alone(tmp_path):
    (tmp_path / "g.jsonl").write_text('{"query": "a", "texts": ["b"], "labels": [1]}\n')
    path = str(tmp_path / "g.jsonl")
    with pytest.raises(InputError, match=r"g\.jsonl:1: expected plain text, a text a line, and found JSON"):
        read_sources([Source(path=path, format="text")])
    with pytest.raises(InputError, match=r"data\.train: a model of kind mlm reads plain text: {format: text, path: "):
        recipe(tmp_path, "mlm", "x", (), data=Data(train=(path,)))
    with pytest.raises(InputError, match="losses: not used for a model of kind mlm"):
        recipe(tmp_path, "mlm", "x", ("infonce",))


def test_anchors_are_of_grades_up_to_four():
    with pytest.raises(InputError, match="labels from 0 to 9: anchors are of grades from 0 to 4"):
        LOSSES["anchored"](torch.tensor([[0.1, 0.2]]), torch.tensor([[9.0, 0.0]]))


def test_parade_starts_from_encoders_with_narrow_embeddings(tmp_path):
    narrow = {"model_type": "electra", "embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 1}
    shape = narrow | {"num_attention_heads": 2, "intermediate_size": 16}
    tokenizer = AutoTokenizer.from_pretrained(encoder(tmp_path, "bert", "body"))
    assert Parade.from_config(shape, tokenizer, max_length=32).first.shape == (16,)
