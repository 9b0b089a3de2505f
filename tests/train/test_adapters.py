"""Adapters of a training: every method trains, is saved merged and alone, and opens by the name of its folder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Query
from anyrank.hub.open import open_model
from anyrank.models.parts.adapter_folder import ADAPTER, WEIGHTS, open_adapted
from anyrank.testing.tiny import encoder, llama
from anyrank.train.group import Group
from anyrank.train.recipe import (
    ADAPTERS,
    Adapters,
    Check,
    Data,
    Export,
    Language,
    Loss,
    Model,
    Optimiser,
    Recipe,
    read_recipe,
    recipe_text,
)
from anyrank.train.run import train
from anyrank.train.sources import Source

WORDS = ["river", "city", "number", "passage", "answer", "yes", "no", "true"]
GROUPS = [
    Group.from_texts(a, (f"the {b}", f"the {a}", b), (0.0, 1.0, 0.0), f"q{i}")
    for i, (a, b) in enumerate(zip(WORDS, WORDS[1:] + WORDS[:1]))
]
CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
PEFT = [name for name in ADAPTERS if name not in ("none", "bottleneck", "sparse")]
FITTING = {"vera": {"rank": 4}, "oft": {"rank": 8}, "boft": {"rank": 8}, "ia3": {}, "ln": {}}


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("starts")
    return {task: encoder(folder / task, "bert", task) for task in ("body", "cross", "masked")}


def recipe(start, out, kind="cross", steps=8, rate=5e-3, **adapters):
    return Recipe(
        out=str(out),
        model=Model(kind=kind, start=str(start), max_length=32, options=CALM if kind == "cross" else {}),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(batch=4, steps=steps, rate=rate, warmup=0.0, bf16=False),
        export=Export(int8=False),
        adapters=Adapters(**adapters),
        seed=1,
    )


def scored(folder, **options):
    groups = [(Query(g.id, g.query), g.named()) for g in GROUPS]
    return [list(j.scores) for j in open_model(folder, runtime="torch", **options)(groups)]


def same(a, b, close=1e-4):
    return all(abs(x - y) < close for one, other in zip(a, b) for x, y in zip(one, other))


def by_module(model):
    with torch.no_grad():
        out = model(**model.features([g.query for g in GROUPS], [g.candidates for g in GROUPS]))
    return out.tolist()


@pytest.mark.parametrize("method", PEFT)
def test_every_method_of_peft_trains_and_merges_and_opens_by_name(method, starts, tmp_path):
    settings = FITTING.get(method, {"rank": 2})
    done = train(recipe(starts["cross"], tmp_path / "m", method=method, **settings), train=GROUPS, valid=GROUPS[:4])
    losses = [line["loss"] for line in done.log if "loss" in line]
    assert min(losses[2:]) < losses[0]
    merged, alone = scored(tmp_path / "m"), scored(tmp_path / "m" / "adapter")
    assert same(merged, by_module(done.model))
    assert same(merged, alone, 2e-4)  # merged before it was saved, and after it was opened
    assert not same(merged, scored(starts["cross"]), 1e-2)
    assert (tmp_path / "m" / "model.safetensors").is_file()
    assert f"adapters: {method}, " in (tmp_path / "m" / "README.md").read_text()
    start, now = (load_file(Path(f) / "model.safetensors") for f in (starts["cross"], tmp_path / "m"))
    assert start.keys() == now.keys()
    changed = {n.rpartition(".")[0].rpartition(".")[2] for n in start if not torch.equal(start[n], now[n])}
    assert "word_embeddings" not in changed
    assert ("LayerNorm" in changed) == (method == "ln")


@pytest.mark.parametrize(
    ("kind", "start"),
    [("bi", "body"), ("sparse", "masked"), ("late", "body"), ("colbert", "body"), ("unicoil", "body")],
)
@pytest.mark.parametrize("method", ["lora", "bottleneck", "sparse"])
def test_adapters_alone_of_every_kind_open_by_name(method, kind, start, starts, tmp_path):
    settings = {} if method == "bottleneck" else {"merge": False}
    done = train(recipe(starts[start], tmp_path / "m", kind, steps=2, method=method, **settings), train=GROUPS)
    assert not (tmp_path / "m" / "model.safetensors").exists()
    trained, opened = done.model.eval(), open_adapted(tmp_path / "m", done.model.kind)
    assert same(by_module(trained), by_module(opened))
    assert open_model(tmp_path / "m") is not None
    assert sum(f.stat().st_size for f in (tmp_path / "m").glob("*.safetensors")) < 80_000
    frozen = load_file(Path(starts[start]) / "model.safetensors")
    own = opened.body.base_model.state_dict()
    name = "embeddings.position_embeddings.weight"
    key = next(k for k in frozen if k.endswith(name))
    assert method == "sparse" or torch.equal(own[name], frozen[key])


def test_a_base_that_differs_or_is_lost_is_refused(starts, tmp_path):
    base = shutil.copytree(starts["cross"], tmp_path / "base")
    train(recipe(base, tmp_path / "m", method="lora", rank=2, merge=False, steps=1), train=GROUPS)
    before = scored(tmp_path / "m")
    stated = json.loads((tmp_path / "m" / "anyrank.json").read_text())
    assert (stated["kind"], stated["runtime"], stated["base"]) == ("cross", "torch", str(base))
    weights = load_file(base / "model.safetensors")
    save_file(weights | {"classifier.bias": weights["classifier.bias"] + 1}, base / "model.safetensors")
    with pytest.raises(ModelError, match=r"was trained on other weights than .*base has now.*put the same base there"):
        open_adapted(tmp_path / "m", "cross")
    shutil.rmtree(base)
    with pytest.raises(ModelError, match=r"m: its base can't be had: no model '.*base'"):
        open_adapted(tmp_path / "m", "cross")
    with pytest.raises(InputError, match="holds an adapter alone: start from its base"):
        train(recipe(tmp_path / "m", tmp_path / "n", method="lora"), train=GROUPS)
    assert before


def test_what_is_trained_and_what_is_frozen(starts, tmp_path):
    done = train(recipe(starts["cross"], tmp_path / "m", method="lora", targets=("query",), merge=False), train=GROUPS)
    trained = {n for n, p in done.model.named_parameters() if p.requires_grad}
    parts = {n.split(".")[-3] if "lora" in n else n for n in trained}
    assert parts == {"lora_A", "lora_B", "body.classifier.weight", "body.classifier.bias",
                     "body.bert.pooler.dense.weight", "body.bert.pooler.dense.bias"}  # fmt: skip
    assert all(".query." in n for n in trained if "lora" in n)
    for settings, message in (
        ({"method": "lora", "targets": ("quary",)}, "none of quary is here: there are dense, key, query, value"),
        ({"method": "lora", "options": {"ranks": 2}}, "peft's LoraConfig has no ranks"),
        ({"method": "adalora", "options": {"tinit": 10**9}}, "adalora can't be made so"),
    ):
        with pytest.raises(InputError, match=message):
            train(recipe(starts["cross"], tmp_path / "x", **settings), train=GROUPS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adapters: {rank: 4}", "rank needs a method: choose one of none, lora"),
        ("adapters: {method: lora, reduction: 4}", "reduction is no setting of the method lora: it has rank, alpha"),
        ("adapters: {method: loro}", "'loro' is none of none, lora"),
        ("adapters: {method: sparse, keep: 0}", "keep: expected more than 0"),
        ("adapters: {method: sparse, keep: 10.5}", "keep: above 1 a whole number"),
        ("adapters: {method: bottleneck, coupling: 0.5}", "coupling: expected 0 or at least 1"),
        ("model: {tokenizer: t}\nadapters: {method: lora}", "the model needs start"),
        ("model: {kind: language, start: a}\nadapters: {method: sparse}", "sparse is for encoders"),
        (
            "model: {kind: language, start: a}\nlanguage: {lora: 4}\nadapters: {method: lora}",
            "give one of the two",
        ),
        (
            "model: {kind: verdict, start: a, options: {lora: 4}}\nadapters: {method: lora}",
            r"model\.options\.lora: the same as adapters",
        ),
    ],
)
def test_settings_are_checked_when_the_recipe_is_read(text, message, tmp_path):
    (tmp_path / "r.yaml").write_text(f"out: a\n{text}\n")
    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "r.yaml")


def test_a_recipe_is_written_and_read_again(tmp_path):
    one = recipe("minilm", "a", method="lora", rank=4, targets=("query",), options={"use_rslora": True})
    (tmp_path / "r.yaml").write_text(recipe_text(one))
    assert read_recipe(tmp_path / "r.yaml") == one


def test_adalora_moves_ranks_and_goes_on_after_a_stop(starts, tmp_path):
    settings = {"method": "adalora", "rank": 2}
    one = replace(recipe(starts["cross"], tmp_path / "one", steps=20, **settings), check=Check(every=4))
    train(one, train=GROUPS)
    other = replace(one, out=str(tmp_path / "other"))
    stopped(other, 10)
    train(other, train=GROUPS, resume=True)
    a, b = (load_file(tmp_path / n / "model.safetensors") for n in ("one", "other"))
    assert all(torch.equal(a[n], b[n]) for n in a)
    factors = load_file(tmp_path / "one" / "adapter" / "adapter_model.safetensors")
    ranks = [int((v != 0).sum()) for n, v in factors.items() if "lora_E" in n]
    assert sum(ranks) == 2 * len(ranks)  # the budget is spent
    assert len(set(ranks)) > 1


def stopped(training, step):
    """Train, and stop by an error at a step, between two checkpoints."""

    def order(groups, epoch):
        if epoch * 2 >= step:
            raise KeyboardInterrupt
        return natural(epoch, len(groups))

    with pytest.raises(KeyboardInterrupt):
        train(training, train=GROUPS, order=order)


def natural(epoch, n):
    from anyrank.train.batches import Batches

    batches = Batches(GROUPS, 4, 1)
    batches.set_epoch(epoch)
    return [i for batch in batches for i in batch][:n]


def test_a_language_model_under_adapters(tmp_path):
    start = llama(tmp_path / "llama")
    config = tmp_path / "llama" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 512}))
    base = Recipe(
        out=str(tmp_path / "m"),
        model=Model(kind="language", start=start, max_length=500),
        language=Language(words=5),
        optimiser=Optimiser(batch=2, steps=2, rate=1e-2, bf16=False),
        adapters=Adapters(method="dora", rank=2, merge=False),
    )
    train(base, train=GROUPS[:4])
    assert not (tmp_path / "m" / "model.safetensors").exists()
    train(replace(base, out=str(tmp_path / "n"), adapters=Adapters(method="dora", rank=2)), train=GROUPS[:4])
    alone, merged = (open_model(tmp_path / n, dtype="float32") for n in ("m", "n"))
    options = [[" yes", " no"]]
    a, b = (model.next_token_logprobs(["which river"], options)[0].values for model in (alone, merged))
    assert a == pytest.approx(b, abs=1e-4)


def text_recipe(start, tmp_path, name, **adapters):
    (tmp_path / "text.txt").write_text("\n".join(f"the {a} of the {b} and {a}" for a, b in zip(WORDS, WORDS[::-1])))
    one = recipe(start, tmp_path / name, "cross", steps=4, **adapters)
    data = Data(train=(Source(path=str(tmp_path / "text.txt"), format="text"),))
    return replace(one, data=data, losses=(Loss(name="ranknet"),), model=replace(one.model, kind="mlm"))


def test_language_adapters_are_trained_stacked_swapped_and_dropped(starts, tmp_path):
    for i, name in enumerate(("en", "de")):
        training = text_recipe(starts["masked"], tmp_path, name, method="bottleneck", reduction=2, coupling=2)
        train(replace(training, seed=i))
    # the rank adapter of a cross-encoder of the same encoder, on top of the English one
    cross = recipe(starts["cross"], tmp_path / "r", method="bottleneck", reduction=4, language=str(tmp_path / "en"))
    done = train(cross, train=GROUPS)
    own = scored(tmp_path / "r")
    assert same(own, by_module(done.model.eval()))
    english, german = str(tmp_path / "en"), str(tmp_path / "de")
    assert same(scored(tmp_path / "r", language=english), own, 1e-9)
    variants = [
        scored(tmp_path / "r", language=german),
        scored(tmp_path / "r", language=german, query_language=english),
        scored(tmp_path / "r", drop=1),
        scored(tmp_path / "r", invertible=False),
    ]
    assert all(not same(v, own, 1e-6) for v in variants)
    assert same(scored(tmp_path / "r", language=english, query_language=english), own, 1e-5)
    with pytest.raises(ModelError, match=r"is a language adapter, no ranker"):
        open_adapted(tmp_path / "en", "mlm")
    with pytest.raises(ModelError, match="not a sparse fine-tuning"):
        train(recipe(starts["cross"], tmp_path / "s", method="sparse", language=english), train=GROUPS)


def test_sparse_fine_tunings_compose_by_name(starts, tmp_path):
    train(text_recipe(starts["masked"], tmp_path, "en", method="sparse", keep=200, merge=False))
    train(recipe(starts["cross"], tmp_path / "r", method="sparse", keep=300, language=str(tmp_path / "en")),
          train=GROUPS)  # fmt: skip
    stored = load_file(tmp_path / "r" / "adapter" / WEIGHTS)
    assert sum(len(v) for n, v in stored.items() if n.startswith("value:")) == 300
    assert json.loads((tmp_path / "r" / "adapter" / ADAPTER).read_text())["changed"] == 300
    merged, alone = (load_of(tmp_path / n) for n in ("r", "r/adapter"))
    assert all(torch.equal(merged[n], alone[n]) for n in merged)
    without = open_adapted(tmp_path / "r" / "adapter", "cross", language="").state_dict()
    assert any(not torch.equal(without[n], alone[n]) for n in without)
    with pytest.raises(ModelError, match=r"its part alone is in .*adapter: name that"):
        scored(tmp_path / "r" / "adapter", language=str(tmp_path / "r"))


def load_of(folder):
    from anyrank.models.cross import CrossEncoder

    if (folder / ADAPTER).is_file():
        return open_adapted(folder, "cross").state_dict()
    return CrossEncoder.from_folder(folder).state_dict()
