"""An adaptation gains where there is something to gain, and refuses what would do harm, with the reason."""

import json
import random
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from anyrank.core.rerank import Rerank  # noqa: E402
from anyrank.core.types import Judgement  # noqa: E402
from anyrank.synth.adaptation import Adaptation, Plan  # noqa: E402
from anyrank.synth.fusion_weights import fused, text, tuned  # noqa: E402
from anyrank.synth.harm import collapse, difference  # noqa: E402
from anyrank.train.group import Group  # noqa: E402

WORDS = ["river", "city", "answer", "yes", "no", "the", "and"]


@pytest.fixture
def model(tmp_path):
    from anyrank.models.cross import CrossEncoder
    from anyrank.testing.tiny import encoder

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return CrossEncoder.from_folder(encoder(tmp_path / "start", task="cross")).eval()


def lists(n, start=0, texts=5):
    """Groups in which the text with the word yes is relevant."""
    out = []
    for i in range(start, start + n):
        rng = random.Random(i)
        members = [f"no {' '.join(rng.choices(WORDS[:3], k=3))}" for _ in range(texts - 1)]
        members.insert(at := rng.randrange(texts), f"yes {' '.join(rng.choices(WORDS[:3], k=3))}")
        grades = tuple(float(j == at) for j in range(texts))
        ids = [f"d{i}-{j}" for j in range(texts)]
        out.append(Group.from_texts(rng.choice(WORDS[:3]), members, grades, f"q{i}", ids, grades=grades))
    return out


def judge(sign=1.0):
    """A reranker that knows which text is relevant, or the opposite."""
    return Rerank(
        lambda groups: [Judgement([sign * ("yes" in c.content) for c in cs]) for _, cs in groups], name="judge"
    )


def adaptation(tmp_path, model, parts, notes=None, teacher=None, **settings):
    plan = replace(Plan(groups=40, lists=40, rate=1e-2, batch=4), **settings)
    note = (lambda text: None) if notes is None else notes.append
    return Adaptation(tmp_path / "out", "start", model, parts, plan, {}, teacher, note=note)


def run(job, learning=None, name="synthetic"):
    return job.run(learning or lists(40), {name: (lists(20, 1000), lists(20, 2000))})


def test_a_better_teacher_is_learned_and_the_gate_lets_it_through(tmp_path, model):
    notes = []
    outcome = run(adaptation(tmp_path, model, {"judge": judge()}, notes))
    assert outcome.verdict == "gained", outcome
    assert outcome.differences["synthetic"].low > 0
    assert outcome.differences["fusion"].gained
    assert any("may do without any training" in note for note in notes)
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert "gained" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "adapt.json").read_text())["verdict"] == "gained"
    from anyrank.models.cross import CrossEncoder

    again = CrossEncoder.from_folder(tmp_path / "out")
    assert torch.equal(
        torch.cat([p.flatten() for p in again.parameters()]), torch.cat([p.flatten() for p in model.parameters()])
    )


def test_it_goes_on_where_it_was_and_ends_the_same(tmp_path, model):
    start = {k: v.clone() for k, v in model.state_dict().items()}
    first = run(adaptation(tmp_path, model, {"judge": judge()}))
    model.load_state_dict(start)

    def broken(groups):
        raise AssertionError("nothing is scored again")

    second = run(adaptation(tmp_path, model, {"judge": Rerank(broken)}))
    assert second == first


def test_a_bad_teacher_is_refused(tmp_path, model):
    outcome = run(adaptation(tmp_path, model, {"judge": judge()}, teacher=judge(-1.0)))
    assert outcome.verdict == "refused"
    assert "isn't better than start" in outcome.reason
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_without_a_better_fusion_there_is_no_teacher(tmp_path, model):
    outcome = run(adaptation(tmp_path, model, {"judge": judge(-1.0)}))
    assert outcome.verdict == "refused"
    assert outcome.pipeline == 'bm25 % 100 >> model("start")'


def test_a_fusion_that_one_half_alone_shows_is_not_recommended(tmp_path, model):
    """The teacher is the fusion: where it is refused, the fusion isn't taken either."""
    against = [replace(g, grades=g.grades[1:] + g.grades[:1], id=f"other {g.id}") for g in lists(20, 1000)]
    job = adaptation(tmp_path, model, {"judge": judge()}, notes := [])
    outcome = job.run(lists(40), {"synthetic": (against, lists(20, 2000))})
    assert outcome.verdict == "refused"
    assert outcome.differences["fusion"].gained
    assert outcome.pipeline == 'bm25 % 100 >> model("start")'
    assert not any("may do without any training" in note for note in notes)


def test_a_planted_collapse_is_refused(tmp_path, model):
    outcome = run(adaptation(tmp_path, model, {"judge": judge()}, rate=0.3))
    assert outcome.verdict == "refused", outcome
    assert "collapse" in outcome.reason or "stopped at step" in outcome.reason
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_what_judged_queries_do_not_confirm_is_not_taken(tmp_path, model):
    job = adaptation(tmp_path, model, {"judge": judge()})
    wrong = [replace(g, grades=g.grades[1:] + g.grades[:1], id=f"judged {g.id}") for g in lists(40, 3000)]
    held_out = {"judged": (wrong[:20], wrong[20:]), "synthetic": (lists(20, 1000), lists(20, 2000))}
    outcome = job.run(lists(40), held_out)
    assert outcome.verdict != "gained"


def test_collapse_sees_spread_and_ties():
    before = [[3.0, 1.0, 2.0, 0.0]]
    assert not collapse(before, [[1.0, 0.2, 0.5, 0.1]])
    assert "spread" in collapse(before, [[0.1, 0.1001, 0.1, 0.1002]])
    assert "equal" in collapse(before, [[3.0, 3.0, 0.0, 0.0]])
    assert collapse(before, [[float("nan")] * 4]) == "scores are not finite numbers"


def test_the_weights_of_a_fusion_find_the_part_that_helps():
    groups = lists(20)
    good = [list(g.grades) for g in groups]
    noise = [[random.Random(f"{g.id}{j}").random() for j in range(5)] for g in groups]
    weights = tuned(groups, {"a": noise, "b": good, "c": [[-x for x in row] for row in good]})
    assert weights["b"] > 0
    assert weights["c"] == 0
    assert text(weights).startswith("a + ")
    assert (
        max(fused({"a": noise, "b": good}, weights)[0]) == fused({"a": noise, "b": good}, weights)[0][good[0].index(1)]
    )


def test_an_interval_says_how_sure_a_gain_is():
    assert difference([0.1] * 30, [0.4] * 15 + [0.3] * 15).gained
    assert not difference([0.5, 0.1, 0.9], [0.1, 0.9, 0.6]).gained
