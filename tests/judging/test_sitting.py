"""Sittings: labels with who and when, that survive a kill, an undo and a repeat."""

import json

import pytest

from anyrank.core.errors import InputError
from anyrank.io.qrels import read_qrels
from anyrank.judging.pool import Pool
from anyrank.judging.session import Session
from anyrank.judging.sitting import Sitting

RUNS = {
    "a": {f"q{n}": [f"d{n}", f"x{n}", "e"] for n in range(15)},
    "b": {f"q{n}": [f"x{n}", f"y{n}", "z"] for n in range(15)},
}


def sitting(tmp_path, resume=False, seed=0, **settings):
    return Sitting.open(Session(Pool.of(RUNS), seed), tmp_path / "out.journal", resume=resume, **settings)


def label_of(item):
    return 3 if item[1][0] == "d" else 0


def test_a_killed_sitting_goes_on_where_it_was(tmp_path):
    first = sitting(tmp_path, who="ann")
    for _ in range(6):
        first.record(label_of(first.next()))
    expected, item = first.session.differences(), first.next()
    first.journal.close()  # a kill: nothing else is written
    second = sitting(tmp_path, resume=True, who="bob")
    assert second.session.differences() == expected
    assert second.next() == item
    second.record(1)
    second.write(tmp_path / "out.qrels")
    rows = [json.loads(line) for line in (tmp_path / "out.qrels.jsonl").read_text().splitlines()]
    assert [r["who"] for r in rows] == ["ann"] * 6 + ["bob"]
    assert all(r["when"].endswith("+00:00") for r in rows)
    assert read_qrels(tmp_path / "out.qrels") == second.session.qrels()
    second.journal.close()


def test_an_undo_is_kept_and_its_document_comes_again(tmp_path):
    one = sitting(tmp_path)
    one.undo()  # nothing to take back
    item = one.next()
    one.record(3)
    one.undo()
    assert one.next() == item
    one.record(0)
    one.journal.close()
    again = sitting(tmp_path, resume=True)
    assert again.session.given == [0]
    assert len(again.labels()) == 1
    again.journal.close()


def test_a_journal_of_another_pool_or_seed_is_refused(tmp_path):
    one = sitting(tmp_path)
    one.next()
    one.record(1)
    one.journal.close()
    with pytest.raises(InputError, match="seed: 0 then, 1 now"):
        sitting(tmp_path, resume=True, seed=1)
    with pytest.raises(InputError, match="resume the job"):
        sitting(tmp_path)
    sitting(tmp_path, resume=True).journal.close()  # the refused ones hold no lock


def test_repeats_measure_the_judge_and_move_no_estimate(tmp_path):
    one = sitting(tmp_path, repeats=0.5, after=True)
    again = 0
    while (item := one.next()) is not None:
        repeated = any((e["query"], e["document"]) == item for e in one.labels())
        again += repeated
        one.record(label_of(item))
    assert again > 3
    assert one.with_itself().kappa == 1
    assert one.with_itself().count == again
    assert len(one.session.judged) == len(one.session.pool.items)
    one.undo()
    one.journal.close()


def test_agreement_with_the_other_judge(tmp_path):
    pool = Pool.of(RUNS)
    one = Sitting.open(Session(pool, labels={i: 3 - label_of(i) for i in pool.items}), tmp_path / "j")
    assert one.with_labels() is None
    one.next()
    with pytest.raises(InputError, match="label 7"):
        one.record(7)
    while (item := one.next()) is not None:
        one.record(label_of(item))
    assert one.with_labels().kappa < 0
    assert one.with_itself() is None
    with pytest.raises(InputError, match="call next"):
        one.record(0)
    one.journal.close()
