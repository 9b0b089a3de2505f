"""Papers on training: cards, recipes that are read again, and each set-up trained at toy size."""

import json
import random
from dataclasses import replace

import pytest
from click.testing import CliRunner

from anyrank.cli.papers import papers_command
from anyrank.core.errors import InputError
from anyrank.models import model_class
from anyrank.papers import Card, load, names, rewriters, systems, trainings
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.recipe import Export, Model, Recipe, merged, read_recipe, recipe_text
from anyrank.train.sources import Source

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "jet", "wave"]


def graded(n=8, texts=4):
    """Groups whose first text, of the highest grade, is the query itself."""
    rng = random.Random(0)
    drawn = [(w, rng.sample([x for x in WORDS if x != w], texts - 1)) for w in WORDS[:n]]
    return [
        Group.from_texts(
            w, (w, *rest), tuple(float(texts - i) for i in range(texts)), f"q{i}", (), tuple(range(texts, 0, -1))
        )
        for i, (w, rest) in enumerate(drawn)
    ]


BINARY = [replace(g, labels=(1.0, 0.0, 0.0, 0.0)) for g in graded()]
SINGLE = [Group.from_texts(g.query, (g.texts[i % 2],), (1.0 - i % 2,), g.id) for i, g in enumerate(graded())]
BINARY_NAMES = (
    "ance",
    "car",
    "coil",
    "cornstack",
    "deepct",
    "deepimpact",
    "dpr",
    "duqgen",
    "modular_clir",
    "sft_reranking",
    "unicoil",
)
DATA = dict.fromkeys((*BINARY_NAMES, "dssm", "cdssm", "duet"), BINARY) | {
    "ance_prf": [replace(g, priors=(4.0, 3.0, 2.0, 1.0)) for g in BINARY],
    "chatgpt_retrievalqa": SINGLE,
    "lg_anna": [replace(g, grades=(1.0, 0.0, 0.0, 0.0)) for g in graded()],
    "birch": [replace(g, priors=(4.0, 3.0, 2.0, 1.0)) for g in BINARY],
}
TINY = {"prettr": {"join": 0}, "colbert": {"query_marker": "", "document_marker": "", "expand": 8}}
"""Options of the recipes that a model of one layer, eight tokens and no unused words can't have."""
LOSSES = {
    "ance": "infonce", "ance_prf": "infonce", "baidu": "anchored", "chatgpt_retrievalqa": "binary_cross_entropy",
    "car": "binary_cross_entropy", "duqgen": "binary_cross_entropy",
    "coil": "infonce", "composable_sft": "mlm's own", "cornstack": "infonce", "curricula": "pairwise_softmax",
    "deepct": "deepct's own", "deepimpact": "infonce", "dpr": "infonce", "lg_anna": "soft_infonce",
    "mad_x": "mlm's own", "margin_mse": "margin_mse", "modular_clir": "binary_cross_entropy", "ranklist": "ranklist",
    "sft_reranking": "binary_cross_entropy", "unicoil": "infonce", "bert_maxp": "hinge", "birch": "hinge",
    "cedr": "pairwise_softmax", "colbert": "pairwise_cross_entropy", "parade": "ranknet", "prettr": "margin_mse",
    "tk": "hinge", "easyrec": "easyrec's own",
    **dict.fromkeys(("dssm", "cdssm", "duet"), "infonce"), **dict.fromkeys(("pacrr", "co_pacrr"), "pairwise_softmax"),
    **dict.fromkeys(("arc_i", "arc_ii", "match_pyramid", "drmm", "drmm_tks", "anmm", "knrm", "conv_knrm", "mv_lstm",
                     "match_srnn", "deeprank", "hint"), "hinge"),
}  # fmt: skip
METHODS = {"brio", "mm_r5", "promptreps", "prorank", "rank_r1"}
"""Methods with a recipe for their model, which tests of the model train (test_grpo.py, test_decoders.py,
test_likelihood.py)."""


def call(*args):
    done = CliRunner().invoke(papers_command, list(args), standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", sorted(set(trainings()) - METHODS))
def test_cards_and_recipes(name, tmp_path):
    module = load(name)
    other = Source(format="text" if "mlm" in LOSSES[name] else "triples", path="b.tsv")
    card, recipe = module.CARD, module.recipe("runs/x", ("a.jsonl", other))
    assert isinstance(card, Card)
    assert (card.name, card.cost, card.formula) == (name, None, "")
    assert card.arxiv in module.__doc__
    assert card.title.split(":")[0] in " ".join(module.__doc__.split())
    assert card.summary.startswith("training: ")
    assert all(0 < f.value < 1 and f.dataset and f.metric and f.source for f in card.figures)
    assert name in str(card)
    assert "cost" not in str(card)
    assert not hasattr(module, "build")
    assert [x.name for x in recipe.losses] == ([] if "own" in LOSSES[name] else [LOSSES[name]])
    (tmp_path / "recipe.yaml").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


def test_trainings_are_no_methods_of_pipelines():
    from anyrank.pipeline.table import names as stages

    assert set(trainings()) == {*LOSSES, *METHODS}
    assert set(trainings()) & set(names()) == METHODS - {"promptreps"}
    assert set(names()) < set(stages())
    assert set(trainings()) & set(stages()) <= {*rewriters(), *METHODS}
    assert "training" not in names()
    with pytest.raises(InputError, match=r"no paper 'margin': choose one of .*margin_mse"):
        load("margin")


@pytest.mark.parametrize("name", sorted(set(trainings()) - METHODS))
def test_each_set_up_trains(name, tokenizer, tmp_path):
    """The paper's losses, data and schedule with a tiny model, two steps."""
    from anyrank.models import kinds
    from anyrank.models.parts.words import WordModel
    from anyrank.train.run import train

    recipe = load(name).recipe(str(tmp_path / "out"), (str(tmp_path / "g.jsonl"),))
    if recipe.model.kind == "mlm":
        (tmp_path / "g.jsonl").write_text("\n".join(f"{a} {b}" for a in WORDS for b in WORDS))
    else:
        write_groups(tmp_path / "g.jsonl", DATA.get(name, graded()))
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    length = 64 if recipe.model.kind == "instructed" else 8
    words = recipe.model.kind in kinds() and issubclass(model_class(recipe.model.kind), WordModel)
    shape = {"width": 8} if words else shape
    options = {**recipe.model.options, **TINY.get(name, {})}
    model = Model(kind=recipe.model.kind, tokenizer=tokenizer, shape=shape, max_length=length, options=options)
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, batch=4, steps=2, bf16=False))
    if recipe.adapters.method != "none":  # these need a start
        start = model_class("sparse" if recipe.model.kind == "mlm" else "cross").from_config(shape, tokenizer)
        start.save(tmp_path / "start")
        model = replace(recipe.model, start=str(tmp_path / "start"), max_length=8)
        keep = {"keep": 50, "first_steps": 1} if recipe.adapters.method == "sparse" else {}
        recipe = replace(recipe, adapters=replace(recipe.adapters, **keep))
    done = train(replace(recipe, model=model, export=Export(int8=False)))
    assert (done.folder / ("model" if merged(recipe) else "adapter")).with_suffix(".safetensors").is_file()
    assert LOSSES[name] in (done.folder / "README.md").read_text()


def test_the_published_settings():
    qa = load("chatgpt_retrievalqa").recipe("x", ("a",), rows=32 * 5000)
    assert (qa.optimiser.rate, qa.optimiser.batch, qa.optimiser.decay, qa.optimiser.clip) == (2e-5, 32, 0.01, 1.0)
    assert (qa.optimiser.warmup, qa.check.every, qa.model.max_length) == (0.2, 5000, 512)
    assert qa.check.measures == ("nDCG@10", "AP@1000", "R@10")
    curricula = load("curricula").recipe
    assert (curricula("x", ()).curriculum.end, curricula("x", (), pairs=5120).curriculum.end) == (20, 2)
    assert curricula("x", ()).optimiser.batch == 16
    dot, cat = (load("margin_mse").recipe("x", (), kind=kind).model for kind in ("bi", "cross"))
    assert (dot.options, cat.options) == ({"pooling": "cls", "similarity": "dot"}, {})
    ranklist = load("ranklist")
    assert ranklist.recipe("x", (), epochs=6).losses[0].options == {"grow": 6, "margin": 0.0}
    assert ranklist.recipe("x", (), loss="ccc").losses[0].options == {}
    with pytest.raises(InputError, match="loss='mse': choose ranklist or one of ranknet, listnet"):
        ranklist.recipe("x", (), loss="mse")
    assert load("baidu").recipe("x", ()).losses[0].options == {"margin": 0.1, "weight": 0.7, "slack": 0.01}


def test_colberts_second_training_teaches_scores_and_sets_the_best_against_the_batch(tokenizer, tmp_path):
    from anyrank.train.run import train

    recipe = load("colbert").recipe(str(tmp_path / "out"), (), distilled=True)
    assert (recipe.data.texts, recipe.optimiser.batch, recipe.optimiser.rate) == (64, 32, 1e-5)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    options = {**recipe.model.options, **TINY["colbert"]}
    model = Model(kind="colbert", tokenizer=tokenizer, shape=shape, max_length=8, options=options)
    small = replace(recipe.optimiser, batch=4, steps=2, bf16=False)
    done = train(replace(recipe, model=model, optimiser=small), train=graded())
    assert "kl_distillation" in (done.folder / "README.md").read_text()


def test_one_positive_to_four_negatives_from_a_file(tmp_path):
    (tmp_path / "t.tsv").write_text("".join(f"query {i}\tgood {i}\tbad {i}\n" for i in range(10)))
    found = list(load("chatgpt_retrievalqa").groups(Source(format="triples", path=str(tmp_path / "t.tsv"))))
    assert [g.labels[0] for g in found] == [1.0, 0.0, 0.0, 0.0, 0.0] * 2
    assert [g.texts[0].split()[0] for g in found] == ["good", "bad", "bad", "bad", "bad"] * 2


def test_curated_pairs_have_a_pool_without_their_own_text():
    import numpy as np

    from anyrank.vectors import Encoded

    class Letters:
        """An encoder of letters."""

        name = "letters"

        def encode(self, contents, *, query=False):
            rows = np.array([[c.count(x) + 0.01 for x in "abcdefgh"] for c in contents], np.float32)
            return Encoded(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    pairs = [Group.from_texts(x, (x * 2,), (1.0,), x) for x in "abcd"] + [
        Group.from_texts("e", ("ff",), (1.0,), "wrong")
    ]
    found = list(load("cornstack").curated(pairs, Letters(), pool=2))
    assert [g.id for g in found] == list("abcd")
    assert all(g.labels == (1.0, 0.0, 0.0) and g.texts[0] == g.query * 2 not in g.texts[1:] for g in found)
    assert all(g.priors[0] > 0.99 > g.priors[1] for g in found)
    drawn = load("cornstack").recipe("x", (), negatives=1).data.draw(found[0], 0)
    assert (len(drawn.texts), drawn.texts[0]) == (2, "aa")


def test_the_command_lists_shows_and_writes(tmp_path):
    rows = {row["name"]: row for row in json.loads(call("list", "--json"))}
    assert set(rows) == set(systems())
    assert {*names(), *trainings()} < set(rows)
    assert (rows["margin_mse"]["kind"], rows["margin_mse"]["calls"]) == ("training", None)
    assert (rows["rankgpt"]["kind"], rows["rankgpt"]["calls"]) == ("method", 9)
    lines = call("list").splitlines()
    assert next(x for x in lines if x.startswith("margin_mse")).split()[:3] == ["margin_mse", "2020", "training"]
    assert "reported, not ours: MRR@10 0.325 on MS MARCO" in call("show", "margin_mse")
    (tmp_path / "r.yaml").write_text(call("recipe", "cornstack", "--train", "a.jsonl", "--train", "b.jsonl"))
    recipe = read_recipe(tmp_path / "r.yaml")
    assert recipe == load("cornstack").recipe("runs/cornstack", ("a.jsonl", "b.jsonl"))
    with pytest.raises(InputError, match="rankgpt is a method without a training recipe: choose one of ance"):
        call("recipe", "rankgpt")
    with pytest.raises(InputError, match="no training recipe 'margin': choose one of ance"):
        call("recipe", "margin")


def test_recipe_text_leaves_defaults_out():
    assert recipe_text(Recipe(out="a")) == "out: a\n"


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("sft_reranking", "reduction=3", "reduction: 3 is none of 1, 2, 4, 8, 16, 32"),
        ("ance", "steps=many", "steps: expected a whole number, found 'many'"),
        ("colbert", "distilled=maybe", "distilled: expected true or false, found 'maybe'"),
        ("ranklist", "epochs=2.5", "epochs: expected a whole number, found 2.5"),
        ("birch", "prior=", "prior: expected a value, found an empty text"),
        ("birch", "start={", "isn't a YAML value"),
        ("curricula", "pairs=0", "pairs: expected the number of groups, at least 1, found 0"),
        ("chatgpt_retrievalqa", "rows=0", "rows: expected the number of groups, at least 1, found 0"),
    ],
)
def test_an_option_of_another_type_or_range_is_refused(name, option, message):
    with pytest.raises(InputError, match=message):
        call("recipe", name, "--option", option)


def test_a_paper_that_is_trained_on_an_index_says_by_which_command():
    with pytest.raises(InputError, match="dsi has no recipe: it is trained on an index, by 'anyrank generative train"):
        call("recipe", "dsi")
