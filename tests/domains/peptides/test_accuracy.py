"""Amino-acid and peptide matches, recall, precision-coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.domains.peptides.accuracy import aa_matches, assess, auc, intervals, measures, precision_coverage
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.peptide import Peptide

words = st.text("GASPVTLINDQKEMHFRYW", min_size=1, max_size=12).map(lambda s: Peptide(tuple(s)))


@pytest.mark.parametrize(
    ("predicted", "true", "matched"),
    [
        ("PEPTLDE", "PEPTIDE", "1111111"),
        ("EPPTIDE", "PEPTIDE", "0011111"),
        ("NPTIDE", "GGPTIDE", "0011111"),
        ("PEPGGIDE", "PEPTIDE", "11100111"),
        ("PEPTIDK", "PEPTIDEK", "11111101"),
    ],
)
def test_matches_are_the_published_ones(predicted, true, matched):
    for a, b in ((predicted, true), (true, predicted)):
        assert "".join(str(int(x)) for x in aa_matches(parse(a), parse(b))) == matched


@given(words, words)
def test_matches_are_the_same_either_way_round(a, b):
    assert (aa_matches(a, b) == aa_matches(b, a)).all()
    assert aa_matches(a, a).all()


def test_precision_counts_the_predicted_and_recall_the_true():
    values = measures([assess(parse("PEPTIDK"), parse("PEPTIDEK"), 0.5)])
    assert values["aa_precision"] == 1.0
    assert values["aa_recall"] == 7 / 8
    assert values["peptide_recall"] == values["exact"] == 0


def test_what_was_not_predicted_counts_as_missed():
    table = [assess(parse("LK"), parse("IK"), 0.1), assess(None, parse("PEPTIDEK"))]
    assert measures(table) == {"aa_precision": 1.0, "aa_recall": 0.2, "peptide_recall": 0.5, "exact": 0.5, "auc": 0.5}


def test_deamidation_matches_but_is_not_exact():
    scored = assess(parse("DK"), parse("N[Deamidated]K"), 1.0)
    assert scored.matched
    assert not scored.exact


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.3, -np.inf])), min_size=1, max_size=30))
def test_the_area_by_the_table_is_that_of_the_curve(rows):
    true, wrong = parse("PEK"), parse("AAK")
    table = [assess((true if ok else wrong) if np.isfinite(s) else None, true, s) for ok, s in rows]
    right = [ok and np.isfinite(s) for ok, s in rows]
    assert measures(table)["auc"] == pytest.approx(auc(right, [s for _, s in rows]))
    coverage, precision = precision_coverage(right, [s for _, s in rows])
    assert (np.diff(coverage) > 0).all()
    assert ((precision >= 0) & (precision <= 1)).all()


def test_intervals_hold_the_mean_and_pair_the_spectra():
    rng = np.random.default_rng(3)
    right = rng.random(200) < 0.6
    table = [assess(parse("PEK" if ok else "AAK"), parse("PEK"), s) for ok, s in zip(right, rng.random(200))]
    low, high = intervals(table)["peptide_recall"]
    assert low < right.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.24 / 200), rel=0.2)
    assert set(intervals(table, list(table)).values()) == {(0.0, 0.0)}
    shuffled = [assess(parse("PEK" if ok else "AAK"), parse("PEK"), -i) for i, ok in enumerate(right)]
    assert intervals(table, shuffled)["peptide_recall"] == (0.0, 0.0)
