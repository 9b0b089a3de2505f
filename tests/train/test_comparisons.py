"""The data that bench/bench_ablations.py compares ways to train on, and that scripts/make_groups.py makes."""

import random
from pathlib import Path

import pytest

from anyrank.core.fusion import Combine
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.pipeline.parser import Settings, parse
from anyrank.train.group import Group
from anyrank.train.groups import write_groups

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(ROOT / "bench")
    import bench_ablations

    return bench_ablations


@pytest.fixture
def make(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import make_groups

    return make_groups


def rows():
    """Queries of three relevant texts, the best of BM25's by far, and nine others."""
    ids = tuple(f"d{i}" for i in range(12))
    labels, priors = (1.0,) * 3 + (0.0,) * 9, tuple(float(40 - 3 * i) for i in range(12))
    return [Group.from_texts(f"query {q}", ids, labels, f"q{q}", ids, priors) for q in range(5)]


@pytest.mark.parametrize("name", ["random", "top", "absolute margin 2", "top, MiniLM agrees"])
def test_no_negative_is_judged_relevant(bench, name):
    judged = rows()
    found = bench.negatives(judged, {g.id: g for g in judged}, 5, *bench.MINING[name], seed=0)
    assert len(found) == 5
    for g in found:
        assert g.labels == (1.0, *[0.0] * bench.NEGATIVES)
        assert {"d0", "d1", "d2"}.isdisjoint(g.ids[1:])


def test_curricula_know_the_whole_run(bench, tmp_path):
    write_groups(tmp_path / "judged.jsonl", rows())
    found = bench.variants("curricula", tmp_path, 5)
    (group,) = [g for g in found["recip"].groups(0) if g.id == "q0"]
    best, worst = (group.take([0, *[i for i, d in enumerate(group.ids) if d == other]]) for other in group.ids[1:3])
    assert found["none"].weigh is None
    at = [1 / (1 + int(d[1:])) for d in (group.ids[0], group.ids[1])]
    assert found["recip"].weigh([best], 0)[0] == pytest.approx((at[0] - at[1] + 1) / 2)
    assert found["recip"].weigh([best], 0) != found["recip"].weigh([worst], 0)


def test_questions_that_are_there_already_change_no_later_draw(make, monkeypatch, tmp_path):
    class Web:
        """A collection of 2,000 passages."""

        def documents(self):
            return [Candidate(str(i), f"passage {i}") for i in range(2000)]

    def asked(passages, _backend):
        return [Group.from_texts(f"on {d.content}", (d.content,), (1.0,), d.id, (d.id,)) for d in passages[:3]]

    fakes = {"written_queries": asked, "language_model": str, "findable": lambda pairs, _stage: pairs}
    fakes |= {"parse": lambda *_: None, "Settings": lambda _: None}
    for name, fake in fakes.items():
        monkeypatch.setattr(make, name, fake)
    first, again = random.Random(0), random.Random(0)
    found = make.written(Web(), tmp_path / "questions.jsonl", first)
    assert isinstance(found[0], Query)
    assert make.written(Web(), tmp_path / "questions.jsonl", again) == found
    assert first.random() == again.random()


def test_teachers_of_text_and_of_code_label_on_one_scale(make):
    texts = ("lift of a wing", "heat in a plate", "the wing and its lift", "shock waves", "flow past a wing")
    before = Ranking.of("wing lift", texts)
    scores = {
        name: dict(zip(r.ids, r.scores))
        for name in ("splade", "minilm")
        for r in [parse(name, Settings(None), starts=False)(before)]
    }
    scores |= {"late": scores["minilm"], "run": scores["splade"]}
    spans = []
    for weights in (make.OF_TEXT, make.OF_CODE, make.OF_RUN):
        assert sum(weights.values()) == pytest.approx(3)
        labels = Combine()([scores[name] for name in weights], list(weights.values())).values()
        spans.append(max(labels) - min(labels))
    assert max(spans) < 2 * min(spans)
