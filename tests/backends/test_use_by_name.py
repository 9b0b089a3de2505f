"""What is trained is used by its folder's name: every kind of model on every family of encoders gives in a pipeline the
scores that it gave in memory."""

import json
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from anyrank.core.types import Candidate, Query, Ranking  # noqa: E402
from anyrank.models import model_class  # noqa: E402
from anyrank.pipeline.parser import Settings, parse  # noqa: E402
from anyrank.testing import tiny  # noqa: E402
from anyrank.train.group import Group  # noqa: E402
from anyrank.train.recipe import Export, Language, Loss, Model, Optimiser, Recipe  # noqa: E402
from anyrank.train.run import train  # noqa: E402
from anyrank.train.validation import scores  # noqa: E402

WORDS = "the river city number passage query document relevant answer yes no true".split()  # noqa: SIM905
FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "modernbert", "mpnet")
KINDS = {
    "cross": ("cross", {}),
    "cross2": ("cross", {"labels": 2}),
    "bi": ("bi", {"pooling": "mean"}),
    "bi-last": ("bi", {"pooling": "last", "similarity": "dot", "query_prefix": "query "}),
    "late": ("late", {}),
    "colbert": ("colbert", {"dim": 16, "expand": 12, "query_marker": "[unused0]", "skip": ["."]}),
    "sparse": ("sparse", {}),
    "unicoil": ("unicoil", {}),
    "deepimpact": ("deepimpact", {}),
    "deepct": ("deepct", {}),
    "coil": ("coil", {"dim": 8, "whole": 16}),
    "passages": ("passages", {"window": 3, "stride": 2}),
    "parade": ("parade", {"window": 3, "stride": 2}),
    "cedr": ("cedr", {"query_length": 8}),
    "prettr": ("prettr", {"query_length": 16, "masks": 2}),
    "pyramid": ("pyramid", {"head_length": 24}),
}
SECOND = {
    "passages": "distilbert",
    "parade": "roberta",
    "cedr": "modernbert",
    "prettr": "distilbert",
    "pyramid": "roberta",
}
"""Kinds whose heads are the same for all families: they run on BERT and one other."""
WORD_KINDS = [
    "anmm",
    "arc_i",
    "arc_ii",
    "cdssm",
    "co_pacrr",
    "conv_knrm",
    "deeprank",
    "drmm",
    "drmm_tks",
    "dssm",
    "duet",
    "hint",
    "knrm",
    "match_pyramid",
    "match_srnn",
    "mv_lstm",
    "pacrr",
    "tk",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    tiny.pair_tokenizer(folder)
    return str(folder)


def groups(n=4):
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(n * 5)]
    return [Group.from_texts(texts[i * 5], texts[i * 5 + 1 : i * 5 + 5], [1.0, 0.0, 0.0, 0.0]) for i in range(n)]


def ranked(name, group):
    """The scores of a group's texts in a pipeline text, in their order."""
    candidates = tuple(Candidate(str(i), t) for i, t in enumerate(group.texts))
    after = parse(name, Settings(), starts=False)(Ranking(Query("q", group.query), candidates))
    assert after.status == "ok"
    return [next(c.score for c in after if c.id == str(i)) for i in range(len(candidates))]


def recipe(kind, options, shape, words, out, int8=False):
    return Recipe(
        out=str(out),
        model=Model(kind=kind, shape=shape, tokenizer=words, max_length=48, options=options),
        optimiser=Optimiser(steps=4, batch=2, bf16=False),
        export=Export(int8=int8, least=-1.0, samples=16),
    )


@pytest.mark.parametrize(
    ("name", "family"), [*((n, f) for n in KINDS for f in FAMILIES), *((n, "words") for n in WORD_KINDS)]
)
def test_trained_saved_and_used_by_name(name, family, words, tmp_path):
    kind, options = KINDS.get(name, (name, {}))
    if kind in SECOND and family not in ("bert", SECOND[kind]):
        pytest.skip(f"{kind} runs on two families")
    shape = {"width": 8} if family == "words" else tiny.shape(family)
    trained = train(recipe(kind, options, shape, words, tmp_path / "out"), train=groups()).model
    stated = json.loads((tmp_path / "out" / "anyrank.json").read_text())
    assert stated["runtime"] == "torch"
    assert stated["kind"] == ("dense" if kind == "bi" else kind)
    (wanted,) = scores(trained, groups()[:1])
    if kind == "bi":
        wanted = [s * trained.scale for s in wanted]  # an encoder's scores are cosines, without the temperature
    got = ranked(f"model({str(tmp_path / 'out')!r})", groups()[0])
    assert got == pytest.approx(wanted, abs=1e-5 * max(1.0, *map(abs, wanted)))
    again = model_class(kind).from_folder(tmp_path / "out")
    assert scores(again, groups()) == [pytest.approx(s, rel=1e-5, abs=1e-6) for s in scores(trained, groups())]


@pytest.mark.parametrize(("name", "family"), [("cross2", "distilbert"), ("bi-last", "modernbert"), ("late", "bert"),
                                              ("sparse", "roberta"), ("cross", "mpnet")])  # fmt: skip
def test_the_int8_graph_is_what_a_name_opens(name, family, words, tmp_path):
    kind, options = KINDS[name]
    done = train(recipe(kind, options, tiny.shape(family), words, tmp_path / "out", int8=True), train=groups())
    assert done.exported.accepted
    (wanted,) = scores(done.model, groups()[:1])
    wanted = [s * done.model.scale for s in wanted] if kind == "bi" else wanted
    folder = str(tmp_path / "out")
    got, exact = ranked(f"model({folder!r})", groups()[0]), done.exported.difference
    size = 1.0 if kind in ("cross", "late") else 2 * sum(map(abs, wanted))  # of a product of vectors
    assert got != pytest.approx(wanted, abs=1e-7)  # int8, not the weights beside it
    assert got == pytest.approx(wanted, abs=0.02 + 1.5 * exact * size)


@pytest.mark.parametrize(("kind", "task"), [("cross", "body"), ("bi", "body"), ("late", "body"), ("colbert", "body"),
                                            ("sparse", "masked")])  # fmt: skip
def test_training_starts_at_a_folder_of_transformers(kind, task, tmp_path):
    tiny.encoder(tmp_path / "start", "xlm-roberta", task)
    how = Recipe(
        out=str(tmp_path / "out"),
        model=Model(kind=kind, start=str(tmp_path / "start"), max_length=32),
        losses=(Loss(name="ranknet"),),
        optimiser=Optimiser(steps=1, batch=2, bf16=False),
        export=Export(int8=False),
    )
    before = train(how, train=groups()).model
    assert len(set(ranked(f"model({str(tmp_path / 'out')!r})", groups()[0]))) == 4
    assert before.max_length == 32 or kind == "colbert"


def test_a_trained_language_model_ranks_by_its_name(tmp_path):
    config = Path(tiny.llama(tmp_path / "start")) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 1024}))  # rotary
    how = Recipe(
        out=str(tmp_path / "out"),
        model=Model(kind="language", start=str(tmp_path / "start"), max_length=1000),
        language=Language(objective="language", words=4),
        optimiser=Optimiser(steps=2, batch=2, bf16=False),
        export=Export(int8=False),
    )
    train(how, train=groups())
    assert json.loads((tmp_path / "out" / "anyrank.json").read_text()) == {"kind": "language", "runtime": "hf"}
    candidates = tuple(Candidate(str(i), t) for i, t in enumerate(groups()[0].texts))
    stage = parse(f'first("{tmp_path / "out"}")', Settings(), starts=False)
    after = stage(Ranking(Query("q", groups()[0].query), candidates))
    assert sorted(after.ids) == ["0", "1", "2", "3"]
    assert after.cost.usage.calls
