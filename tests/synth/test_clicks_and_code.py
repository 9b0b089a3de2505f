"""Calibrated clicks beat raw ones at three strengths of position bias; wrong docstrings are found; sources compared."""

import random
from collections import Counter

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.trace import Usage
from anyrank.core.types import Query
from anyrank.hub.open import open_model
from anyrank.synth.answers import Answers, two_sources, with_others
from anyrank.synth.clicks import Clicks, calibrated, simulated
from anyrank.synth.code import curated
from anyrank.train.docstrings import docstring_pairs
from anyrank.train.group import Group
from anyrank.train.soft_measures import kendall


def agreement(log, truth, labels):
    """The mean Kendall correlation of labels with the true grades, over queries."""
    by_query = {}
    for row, label in zip(log, labels):
        by_query.setdefault(row.query, []).append((label, truth[row.query][row.id]))
    return float(np.mean([kendall(*zip(*rows)) for rows in by_query.values() if len({g for _, g in rows}) > 1]))


@pytest.mark.parametrize("bias", [0.5, 1.0, 2.0])
def test_calibrated_labels_beat_raw_clicks(bias):
    pytest.importorskip("sklearn")
    log, truth = simulated(200, bias=bias, seed=1)
    judged = {f"q{i}": truth[f"q{i}"] for i in range(70)}
    rest = [c for c in log if c.query not in judged]
    labels = dict(zip([(c.query, c.id) for c in log], calibrated(log, judged)))
    mine = agreement(rest, truth, [labels[c.query, c.id] for c in rest])
    raw = agreement(rest, truth, [c.rate for c in rest])
    assert mine > raw + 0.02, (bias, mine, raw)


def test_the_bias_is_there():
    log, _ = simulated(100, bias=2.0)
    first, last = (np.mean([c.rate for c in log if c.position == p]) for p in (1, 10))
    assert first > 5 * last


def test_logs_that_contradict_themselves_are_errors():
    with pytest.raises(InputError, match="3 long clicks but 2 clicks"):
        Clicks("q", "d", 5, 2, 3)
    with pytest.raises(InputError, match="clicks is -1"):
        Clicks("q", "d", 5, -1)
    pytest.importorskip("sklearn")
    with pytest.raises(InputError, match="1 results of the log are judged, of 1 grades"):
        calibrated([Clicks("q", "d", 5, 2), Clicks("q", "e", 5, 1)], {"q": {"d": 1}})


def test_thirty_wrong_docstrings_of_a_hundred_and_fifty_are_found():
    """Functions of Python's own library, a fifth of them with the docstring of another one."""
    import email
    from pathlib import Path

    library = Path(email.__file__).parents[1]
    pairs = [g for name in ("email", "json", "logging", "http", "urllib") for g in docstring_pairs(library / name)]
    pairs = random.Random(0).sample(sorted(pairs, key=lambda g: (g.id, g.texts)), 150)
    pairs = [Group.from_texts(g.query, (g.texts[0][:600],), (1.0,), f"f{i}", (f"f{i}",)) for i, g in enumerate(pairs)]
    wrong = [
        Group.from_texts(pairs[(i + 7) % 30].query, g.texts, (1.0,), g.id, g.ids) for i, g in enumerate(pairs[:30])
    ]
    rejected = Counter()
    kept = {g.id for g in curated([*wrong, *pairs[30:]], open_model("minilm"), threshold=0.3, rejected=rejected)}
    assert sum(g.id in kept for g in wrong) <= 1, "a wrong docstring may be near by chance"
    assert sum(g.id in kept for g in pairs[30:]) >= 75
    assert sum(rejected.values()) == 150 - len(kept)
    assert all(reason.startswith(("not among the 2", "similarity up to")) for reason in rejected)


def test_negatives_are_others_and_priors_are_similarities():
    class Words:
        name = "words"

        def encode(self, contents, *, query=False):
            from anyrank.vectors import Dense, Encoded

            rows = np.array([[c.count("wing"), c.count("heat"), c.count("law")] for c in contents], dtype=np.float32)
            return Encoded(Dense(rows / np.linalg.norm(rows, axis=1, keepdims=True)), Usage())

    pairs = [Group.from_texts(w, (f"{w} {w}",), (1.0,), w, (w,)) for w in ("wing", "heat", "law")]
    groups = curated(pairs, Words(), pool=1)
    assert [(g.ids[0], g.labels, g.priors[0]) for g in groups] == [
        (w, (1.0, 0.0), 1.0) for w in ("wing", "heat", "law")
    ]


class Writer:
    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        return [Completion("A wing gives lift since air flows over it faster.", Usage(1, 4, 9)) for _ in prompts]


def test_swapping_the_source_changes_only_the_texts():
    queries = [Query(f"q{i}", f"why {i}") for i in range(6)]
    mine = [g for m in Answers(Writer())(queries) for g in m.groups]
    people = [Group.from_texts(q.content, (f"because {q.id}",), (1.0,), q.id, (q.id,)) for q in queries[:5]]
    one, two = (with_others(groups, 2) for groups in two_sources(mine, people))
    assert [(g.id, g.query, g.labels) for g in one] == [(g.id, g.query, g.labels) for g in two]
    assert [[i.removeprefix("answer-") for i in g.ids] for g in one] == [list(g.ids) for g in two]
    assert len(one) == 5


def test_answers_need_a_model_or_an_index():
    with pytest.raises(InputError, match="give one of the two"):
        Answers()


def test_grades_and_counts_that_can_not_be_are_errors():
    with pytest.raises(InputError, match="expected a number from 0"):
        Clicks("q", "d", 10**400, 1)
    log = [Clicks("q", f"d{i}", 10, i) for i in range(2)]
    with pytest.raises(InputError, match="the grade -3: expected 0 to 4"):
        calibrated(log, {"q": {"d0": -3, "d1": 4}})


def test_files_that_are_no_python_are_counted(tmp_path):
    (tmp_path / "a.py").write_text("def (:")
    (tmp_path / "b.py").write_bytes(b"\xff")
    left_out = Counter()
    assert list(docstring_pairs(tmp_path, left_out=left_out)) == []
    assert left_out == {"file that is no Python": 2}
