"""The torch backend: the same scores at any batch, true costs, and every kind of folder by its name."""

import json
import random
import shutil

import numpy as np
import pytest

from anyrank.core.content import Image
from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Candidate, Query
from anyrank.hub.folder import read
from anyrank.hub.open import open_model
from anyrank.judges.similarity import Similarity
from anyrank.testing import check_encoder, check_judge, tiny
from anyrank.vectors import Encoder

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from anyrank.backends import torch as backend  # noqa: E402
from anyrank.backends.torch import TorchEncoder, TorchJudge, open_folder  # noqa: E402
from anyrank.models.late import LateInteraction  # noqa: E402
from anyrank.models.parts import ragged  # noqa: E402

WORDS = "the river city number passage query document relevant answer yes no".split()  # noqa: SIM905
TEXTS = ["", "the river.", "city of yes", "naïve ☕ 東京", "river " * 60, *("answer number " * i for i in range(1, 9))]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of foreign models, by what they are."""
    root = tmp_path_factory.mktemp("foreign")
    made = {name: root / name for name in ("dense", "sparse", "cross", "cross2", "cross3", "colbert", "pylate")}
    for path in made.values():
        path.mkdir()
    tiny.encoder(made["dense"], "roberta")
    tiny.encoder(made["sparse"], "distilbert", "masked")
    tiny.encoder(made["cross"], "modernbert", "cross")
    tiny.encoder(made["cross2"], "xlm-roberta", "cross", labels=2)
    tiny.encoder(made["cross3"], "bert", "cross", labels=3)
    stanford(made["colbert"])
    pylate(made["pylate"])
    return made


def stanford(folder):
    """A folder as Stanford's ColBERT has it: the encoder under bert., the projection linear.weight."""
    from safetensors.torch import load_file, save_file

    tiny.encoder(folder, "bert")
    weights = {f"bert.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    torch.manual_seed(1)
    save_file(weights | {"linear.weight": torch.randn(16, 32)}, folder / "model.safetensors", {"format": "pt"})
    metadata = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 16, "doc_maxlen": 24}
    (folder / "artifact.metadata").write_text(json.dumps(metadata))


def pylate(folder):
    """A folder as PyLate saves it."""
    from safetensors.torch import save_file

    tiny.encoder(folder, "modernbert")
    (folder / "1_Dense").mkdir()
    torch.manual_seed(1)
    save_file({"linear.weight": torch.randn(16, 32)}, folder / "1_Dense" / "model.safetensors")
    dense = {"in_features": 32, "out_features": 16, "bias": False}
    dense["activation_function"] = "torch.nn.modules.linear.Identity"
    (folder / "1_Dense" / "config.json").write_text(json.dumps(dense))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    config = {
        "model_type": "ColBERT", "query_prefix": "[unused0]", "document_prefix": "[unused1]", "query_length": 16,
        "document_length": 24, "do_query_expansion": True, "attend_to_expansion_tokens": False, "skiplist_words": ["."],
    }  # fmt: skip
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))


def group(query, *texts):
    return Query("q", query), [Candidate(str(i), t) for i, t in enumerate(texts)]


@pytest.mark.parametrize("name", ["dense", "sparse", "colbert", "pylate"])
def test_the_contract_of_encoders(name, folders, monkeypatch):
    encoder = open_model(folders[name], runtime="torch")
    assert isinstance(encoder, TorchEncoder)
    assert isinstance(encoder, Encoder)
    check_encoder(encoder, TEXTS, tolerance=1e-5)
    whole = encoder.encode(TEXTS).vectors
    monkeypatch.setattr(ragged, "CHUNK", 70)
    monkeypatch.setattr(backend, "SLICE", 3)
    small = encoder.encode(TEXTS).vectors
    query = encoder.encode(["river yes"], query=True).vectors
    assert np.abs(small.near(query) - whole.near(query)).max() < 1e-5 * max(1, np.abs(whole.near(query)).max())


@pytest.mark.parametrize("name", ["cross", "cross2"])
def test_the_contract_of_judges(name, folders, monkeypatch):
    judge = open_model(folders[name], runtime="torch")
    assert isinstance(judge, TorchJudge)
    rng = random.Random(0)
    groups = [group(" ".join(rng.choices(WORDS, k=3)), *rng.sample(TEXTS, 5)) for _ in range(6)]
    check_judge(judge, groups, tolerance=1e-5)
    whole = [list(j.scores) for j in judge(groups)]
    monkeypatch.setattr(ragged, "CHUNK", 70)
    monkeypatch.setattr(backend, "SLICE", 7)
    assert [list(j.scores) for j in judge(groups)] == [pytest.approx(s, abs=1e-5) for s in whole]
    assert list(judge([group("nothing")])[0].scores) == []


def test_activations_and_heads(folders):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def logits(name):
        tokenizer = AutoTokenizer.from_pretrained(folders[name])
        model = AutoModelForSequenceClassification.from_pretrained(folders[name]).eval()
        with torch.no_grad():
            return model(**tokenizer("yes", "the river", return_tensors="pt")).logits[0]

    one, two = logits("cross"), logits("cross2")
    (judgement,) = open_model(folders["cross"], runtime="torch")([group("yes", "the river")])
    assert judgement.scores[0] == pytest.approx(float(one[0].sigmoid()), abs=1e-5)  # nothing stated: a sigmoid
    (judgement,) = open_model(folders["cross2"], runtime="torch")([group("yes", "the river")])
    assert judgement.scores[0] == pytest.approx(float(two[1] - two[0]), abs=1e-5)
    with pytest.raises(InputError, match="its head has 3 outputs, expected 1 or 2"):
        open_model(folders["cross3"], runtime="torch")


def test_usage(folders):
    encoder = open_model(folders["dense"], runtime="torch")
    usage = encoder.encode(["the river", "the river", "yes " * 100]).usage
    assert (usage.calls, usage.cached, usage.truncated) == (2, 1, 1)
    assert usage.prompt_tokens == len(encoder.run.model.tokenizer("the river")["input_ids"]) + 64
    assert encoder.encode([]).usage.calls == 0
    judge = open_model(folders["cross2"], runtime="torch")
    short, long = judge([group("yes", "the river"), group("yes", "yes " * 100, "no")])
    assert (short.usage.calls, short.usage.truncated) == (1, 0)
    assert (long.usage.calls, long.usage.truncated) == (2, 1)
    assert long.usage.prompt_tokens > 64


@pytest.mark.parametrize("name", ["cross", "cross2", "dense", "sparse", "colbert"])
def test_cut_texts_are_counted_as_the_model_says(folders, name):
    """Where the inputs say what was cut, texts aren't tokenised a second time: the counts are the same."""
    opened = open_model(folders[name], runtime="torch")
    judge = opened if isinstance(opened, TorchJudge) else TorchJudge(name, getattr(opened, "encoder", opened).run)
    groups = [group("the river", *TEXTS), group("river " * 90, "yes", "no " * 70), group("yes", *["city " * 80] * 3)]
    model = judge.run.model
    expected = model.truncated([q.content for q, _ in groups], [members for _, members in groups])
    assert [j.usage.truncated for j in judge(groups)] == expected
    assert sum(expected) > 3
    if not isinstance(opened, TorchJudge):
        texts = list(dict.fromkeys(TEXTS))
        assert opened.encode(texts).usage.truncated == sum(model.truncated([""], [[Candidate("t", t) for t in texts]]))


def test_nothing_gives_nothing(folders):
    assert open_model(folders["dense"], runtime="torch").encode([]).vectors.array.shape == (0, 32)
    assert len(open_model(folders["sparse"], runtime="torch").encode([]).vectors) == 0
    assert open_model(folders["cross"], runtime="torch")([]) == []


def test_sparse_vectors_keep_the_heaviest_terms(folders):
    whole = open_model(folders["sparse"], runtime="torch").encode(["the river"]).vectors.row(0)
    few = open_model(folders["sparse"], runtime="torch", terms=5).encode(["the river"]).vectors.row(0)
    assert few == dict(sorted(sorted(whole.items(), key=lambda kv: -kv[1])[:5]))


@pytest.mark.parametrize("name", ["colbert", "pylate"])
def test_tokens_score_as_the_model_does(name, folders):
    encoder = open_model(folders[name], runtime="torch")
    model, (query, members) = encoder.run.model, group("yes river", *filter(str.strip, TEXTS))
    with torch.no_grad():
        wanted = model(**model.features([query.content], [members]))[0].tolist()
    (judgement,) = Similarity(encoder)([(query, members)])
    assert list(judgement.scores) == pytest.approx(wanted, abs=1e-4)
    assert len(encoder.encode(["yes"], query=True).vectors.states) == 16  # filled up with the mask token
    marked = model.inputs(["yes."], query=False)[0]
    assert marked["input_ids"][0, 1] == model.tokenizer.convert_tokens_to_ids("[unused1]")
    assert 0 in marked["counted"][0, :4]  # the full stop


def test_late_interaction_is_a_judge_and_an_encoder(tmp_path):
    """Its vectors score as it does as a judge, weights of tokens and means of texts counted in."""
    torch.manual_seed(0)
    start = tiny.encoder(tmp_path / "start")
    model = LateInteraction.from_folder(start, max_length=32, scales=(3.0, 2.0, 1.5))
    torch.nn.init.normal_(model.weigh.weight)
    model.save(tmp_path / "late")
    late = open_model(tmp_path / "late")
    assert isinstance(late, Encoder)
    check_encoder(late, TEXTS, tolerance=1e-5)
    query, members = group("yes river", *TEXTS)
    (judgement,) = late([(query, members)])
    near = late.encode(TEXTS).vectors.near(late.encode(["yes river"], query=True).vectors)
    assert near.tolist() == pytest.approx(judgement.scores, abs=1e-5)
    assert len(set(np.round(judgement.scores, 4))) > 5


def test_half_precision_is_near(folders):
    pair = group("yes", *TEXTS)
    exact = open_model(folders["cross"], runtime="torch")([pair])[0].scores
    half = open_model(folders["cross"], runtime="torch", dtype="bfloat16")([pair])[0].scores
    assert list(half) != list(exact)
    assert list(half) == pytest.approx(list(exact), abs=0.2)


def test_contents_without_text_are_named(folders):
    judge, encoder = (open_model(folders[name], runtime="torch") for name in ("cross", "dense"))
    with pytest.raises(InputError, match="candidate '1' of query 'q' has no text"):
        judge([group("q", "fine", None)])
    with pytest.raises(InputError, match="content 0 holds Image that is not text"):
        encoder.encode([Image("cat.png")])
    with pytest.raises(InputError, match="query 'q' holds bytes"):
        judge([group(b"q", "fine")])
    titled = encoder.encode([{"title": "the", "text": "river"}, "the river"]).vectors
    assert np.array_equal(titled.array[0], titled.array[1])


def test_options_and_files_that_do_not_fit(folders, tmp_path):
    with pytest.raises(InputError, match="cross model takes no terms"):
        open_folder(read(folders["cross"]), terms=3)
    with pytest.raises(InputError, match="max_length=1: at least 3"):
        open_folder(read(folders["cross"]), max_length=1)
    with pytest.raises(InputError, match="unexpected keyword argument 'colour'"):
        open_folder(read(folders["dense"]), colour=1)
    assert open_folder(read(folders["dense"]), max_length=8).encode(["yes " * 50]).usage.prompt_tokens == 8
    shutil.copytree(folders["dense"], tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"none")
    with pytest.raises(ModelError, match="broken: can't be loaded"):
        open_folder(read(tmp_path / "broken"))


def test_without_torch_the_pip_line_is_said(folders, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ModuleNotFoundError("no torch", name="torch")
        return real(name, *args, **kwargs)

    declared = read(folders["dense"])
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="anyrank\\[torch\\]"):
        open_folder(declared)


def test_a_model_of_peptides_is_no_judge_of_texts(tmp_path):
    from anyrank.models.axial import Axial, Shape

    shape = Shape(width=16, heads=2, ffn=32, layers=1, spectrum_layers=1, dropout=0.0, positions=24, peaks=20)
    Axial(shape).save(tmp_path / "m")
    with pytest.raises(ModelError, match=r"use it as ranknovo\("):
        open_model(tmp_path / "m")
