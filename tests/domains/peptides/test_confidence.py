"""Peptides off their precursor, confidences, splits and intervals over peptides, models that know their training."""

import json
import math
import random

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.accuracy import aa_precision_recall, assess, auc, by_part, intervals
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.confidence import (
    Calibration,
    agreement,
    calibration_error,
    cross_calibrations,
    cross_fitted,
    of_candidates,
    thresholds,
)
from anyrank.domains.peptides.corrupt import corrupted, practice
from anyrank.domains.peptides.ions import by_ions
from anyrank.domains.peptides.judges import Checked, EngineScore, SpectrumMatch, Trained, reranker
from anyrank.domains.peptides.matching import Tolerance, median_matched
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.precursor import LOWERED, PrecursorFit, fits, foreign, misfits
from anyrank.domains.peptides.psm import Psm, join
from anyrank.domains.peptides.simulate import simulated
from anyrank.domains.peptides.spectrum import Spectrum
from anyrank.domains.peptides.split import fingerprints, split_by_peptide


def of(spectrum, *texts):
    candidates = [
        Candidate(p.key, p, 9.0 - i, {"scores": {"a": 1.0 / (i + 1)}, "ranks": {"a": i + 1}})
        for i, p in enumerate(map(parse, texts))
    ]
    return Ranking(Query(spectrum.name, spectrum), tuple(candidates))


def test_peptides_off_their_precursor_come_last_and_are_marked(ideal):
    r = of(ideal("PEPTIDEK"), "PEPTIDER", "EPPTIDEK", "GGGG", "PEPTIDEK")
    out = PrecursorFit()(r)
    assert out.ids == ["EPPTLDEK", "PEPTLDEK", "PEPTLDER", "GGGG"]
    assert [c.meta["precursor_fits"] for c in out] == [True, True, False, False]
    assert abs(out[0].meta["precursor_ppm"]) < 1
    assert out[2].meta["precursor_ppm"] < -20_000
    assert out.scores == [8.0, 6.0, 9.0 - LOWERED, 7.0 - LOWERED]
    assert out[2].meta["method_score"] == 9.0
    marked = PrecursorFit(action="mark")(r)
    assert (marked.ids, marked.scores) == (r.ids, r.scores)
    assert [c.meta["precursor_fits"] for c in marked] == [False, True, False, True]
    assert PrecursorFit(action="drop")(r).ids == ["EPPTLDEK", "PEPTLDEK"]
    assert PrecursorFit(action="keep")(r) == r
    with pytest.raises(InputError, match="choose one of last"):
        PrecursorFit(action="first")


@pytest.mark.parametrize(
    ("shift", "tolerance", "inside"),
    [(40e-6, "50ppm", True), (60e-6, "50ppm", False), (0.9e-4, "0.1Da", True), (1.3e-4, "0.1Da", False)],
)
def test_the_fit_to_the_precursor_allows_isotopes(ideal, shift, tolerance, inside):
    s, width = ideal("PEPTIDEK"), Tolerance.of(tolerance)
    for isotope in (-1, 0, 1, 2):
        moved = Spectrum(s.mz, s.intensity, s.precursor_mz * (1 + shift) + isotope * 1.00335 / 2, 2)
        assert fits(s.peptide, moved, width) is inside
    assert not fits(s.peptide, Spectrum(s.mz, s.intensity, s.precursor_mz + 3 * 1.00335 / 2, 2), width)


def test_another_runs_output_is_told_by_its_precursors(ideal):
    spectra = [ideal(t, title=f"t{i}") for i, t in enumerate(("PEPTIDEK", "ELVISK", "SAMPLEK", "GASPVK"))]
    own = join([Psm(s.name, s.peptide, 1.0) for s in spectra], spectra)
    shifted = join([Psm(s.name, t.peptide, 1.0) for s, t in zip(spectra, spectra[1:] + spectra[:1])], spectra)
    counts = {"own": misfits(own, spectra, Tolerance(50.0)), "a": misfits(shifted, spectra, Tolerance(50.0))}
    assert counts == {"own": (0, 4), "a": (4, 4)}
    assert foreign(counts, Tolerance(50.0)) == [
        "4 of 4 peptides of engine a don't fit their precursor: another run's file? (over 50 ppm off)"
    ]
    assert foreign({"a": (2, 2), "b": (3, 6)}, Tolerance(50.0)) == []


def test_the_share_of_matched_ions_falls_with_a_tolerance_that_does_not_fit(ideal):
    s = ideal("PEPTIDEK")
    moved = Spectrum(s.mz + 0.2, s.intensity, s.precursor_mz, 2)
    assert median_matched([(s, s.peptide)]) == 1.0
    assert median_matched([(moved, s.peptide)]) == 0.0
    assert median_matched([(moved, s.peptide)], Tolerance(0.5, "Da")) == 1.0
    assert median_matched([]) == 0.0


@pytest.fixture(scope="module")
def ranked():
    """Choices of which half are right; those have the higher engine's score and show their ions."""
    random_numbers, out = random.Random(1), []
    for i, s in enumerate(simulated(160, seed=3)):
        wrong = corrupted(s.peptide, 1, i)[0]
        chosen = s.peptide if i % 2 else wrong
        score = random_numbers.gauss(1.0 if i % 2 else 0.0, 1.0)
        meta = {"scores": {"a": score}, "ranks": {"a": 1}}
        other = Candidate("K", parse("K"), 0.0, {"scores": {}, "ranks": {}})
        out.append(Ranking(Query(s.name, s), (Candidate(chosen.key, chosen, 5.0 * len(s.peptide), meta), other)))
    return out


def test_a_calibrated_confidence_orders_better_than_a_score_that_grows_with_length(ranked):
    right = [r[0].id == r.query.content.peptide.key for r in ranked]
    values = cross_fitted(ranked, ("a",))
    assert auc(right, values) > auc(right, [r[0].score for r in ranked]) + 0.2
    assert calibration_error(values, right) < 0.12
    assert abs(np.mean(values) - 0.5) < 0.05


def test_no_spectrum_calibrates_its_own_peptide(ranked):
    for r, fitted in zip(ranked, cross_calibrations(ranked, ("a",))):
        assert fingerprints([r.query.content.peptide])[0] not in fitted.trained_on
    bare = [Ranking(Query("x", Spectrum(s.mz, s.intensity, s.precursor_mz, s.charge)), r.candidates)
            for r in ranked[:3] for s in [r.query.content]]  # fmt: skip
    *_, last = cross_calibrations([*ranked, *bare], ("a",))
    assert last.facts["spectra"] == len(ranked)


def test_a_calibration_is_kept_in_a_file(ranked, tmp_path):
    fitted = Calibration.fit(ranked, ("a",), Tolerance(10.0))
    fitted.save(tmp_path / "c.json")
    again = Calibration.load(tmp_path / "c.json", ("b", "a"))
    assert again == fitted
    assert again(ranked) == fitted(ranked)
    assert again([ranked[0][:0]]) == [None]
    with pytest.raises(InputError, match="the engine 'a', given are b"):
        Calibration.load(tmp_path / "c.json", ("b",))
    (tmp_path / "d.json").write_text("{}")
    with pytest.raises(InputError, match="not a file of 'anyrank peptides calibrate'"):
        Calibration.load(tmp_path / "d.json", ("a",))
    record = json.loads((tmp_path / "c.json").read_text())
    (tmp_path / "d.json").write_text(json.dumps({**record, "evidence": []}))
    with pytest.raises(InputError, match="calibrate again"):
        Calibration.load(tmp_path / "d.json", ("a",))
    with pytest.raises(InputError, match="at least 10 right and 10 wrong"):
        Calibration.fit(ranked[:12], ("a",))


def test_confidences_fall_down_a_list(ranked):
    calibrations = [Calibration.fit(ranked, ("a",))] * len(ranked)
    for values in (of_candidates(ranked, calibrations, 2), agreement(ranked, ("a",), 2)):
        assert all(len(v) == 2 and 1 >= v[0] >= v[1] >= 0 for v in values)
    assert of_candidates([ranked[0][:0]], calibrations, 2) == agreement([ranked[0][:0]], ("a",)) == [[]]


def test_without_known_peptides_the_engines_agreement_is_the_confidence(ideal):
    rankings = [of(ideal("PEPTIDEK"), "PEPTIDEK"), of(ideal("ELVISK"), "ELVISK")]
    low = Candidate("ELVLSK", parse("ELVISK"), 9.0, {"scores": {"a": 0.2}, "ranks": {"a": 1}})
    rankings[1] = Ranking(rankings[1].query, (low,))
    assert agreement(rankings, ("a",)) == [[1.0], [0.5]]
    assert agreement(rankings, ("a", "b")) == [[0.5], [0.25]]
    off = [Ranking(r.query, (r[0].noted({"precursor_fits": False}),)) for r in rankings]
    assert agreement(off, ("a",)) == [[1e-3], [5e-4]]


def test_thresholds_keep_the_expected_error_rate():
    values = [0.99, 0.95, 0.9, 0.5, None]
    assert [(t.rate, t.count) for t in thresholds(values)] == [(0.01, 1), (0.05, 2), (0.1, 3), (0.2, 4)]
    assert thresholds([0.5], (0.1,)) == thresholds([], (0.1,)) == []


def test_peptides_of_one_backbone_are_in_one_part():
    texts = ["PEPTMDE", "PEPTM[Oxidation]DE", "PEPTMNE", "PEPTMN[Deamidated]E", "[Acetyl]-PEPTMDE", "PELQK", "PEIEK"]
    texts += [f"{x}AGK" for x in "SVTFHRYW"]
    spectra = [Spectrum(np.zeros(0), np.zeros(0), 400.0, 2, t, peptide=parse(t)) for t in texts]
    for seed in range(12):
        train, held_out = split_by_peptide(spectra, 0.4, seed)
        assert len(train) + len(held_out) == len(texts)
        for first, last in ((0, 5), (5, 7)):
            assert len({s.title in [h.title for h in held_out] for s in spectra[first:last]}) == 1


def test_intervals_resample_peptides_and_take_their_spectra_along():
    numbers = np.random.default_rng(0)
    right = numbers.random(40) < 0.5
    table = [assess(parse("PEK" if ok else "AAK"), parse("PEK"), 1.0) for ok in right]
    low, high = intervals(table)["exact"]
    copies = [t for t in table for _ in range(50)]
    groups = [i for i in range(40) for _ in range(50)]
    grouped = intervals(copies, groups=groups)["exact"]
    assert grouped == pytest.approx((low, high), abs=0.03)
    alone = intervals(copies)["exact"]
    assert alone[1] - alone[0] < 0.25 * (high - low)
    assert set(intervals(copies, copies, groups=groups).values()) == {(0.0, 0.0)}
    with pytest.raises(InputError, match="2 groups for 40 spectra"):
        intervals(table, groups=[1, 2])


def test_trees_know_what_they_were_trained_on(tmp_path):
    pytest.importorskip("lightgbm")
    rankings = practice(simulated(20, seed=5), 4)
    truths = [r.query.content.peptide for r in rankings]
    trees = Boosted.fit(rankings, truths, (), rounds=2)
    trees.save(tmp_path / "m")
    again = Boosted.load(tmp_path / "m", ())
    assert isinstance(again, Trained)
    assert not isinstance(SpectrumMatch(), Trained)
    assert list(again.trained_on) == fingerprints(truths)
    assert not any(str(p) in (tmp_path / "m").read_text() for p in truths)


def test_methods_for_peptides_refuse_texts():
    for content, members in (("a text", "abc"), (Spectrum(np.zeros(0), np.zeros(0), 400.0, 2), "abc")):
        ranking = Ranking.of(Query("q", content), list(members))
        with pytest.raises(InputError, match=r"is no (spectrum|peptide) but str: .*anyrank peptides rerank"):
            reranker(EngineScore("a"), "a")(ranking)
    assert Checked(EngineScore("a"))([]) == []


def test_accuracy_by_kinds_of_spectra(ideal):
    spectra = [ideal("PEPTIDEK"), ideal("SAMPLEPEPTIDEK", 3), ideal("M[Oxidation]EK")]
    table = [assess(s.peptide if s.charge == 2 else parse("AAAK"), s.peptide, 1.0) for s in spectra]
    parts = by_part(table, spectra)
    assert [(p.label, p.spectra, p.peptide_recall) for p in parts["charge"]] == [("2+", 2, 1.0), ("3+", 1, 0.0)]
    assert [(p.label, p.spectra) for p in parts["length"]] == [("0-6", 1), ("7-9", 1), ("13-15", 1)]
    assert [(p.label, p.spectra) for p in parts["bonds without ions"]] == [("0", 3)]
    assert {p.label: p.aa_precision for p in parts["modified"]} == {"modified": 1.0, "bare": pytest.approx(9 / 12)}
    recall, precision = aa_precision_recall(table)
    assert (recall[-1], precision[-1]) == (pytest.approx(12 / 25), pytest.approx(12 / 15))


def test_spectra_without_ions_have_all_bonds_missing(ideal):
    s = ideal("PEPTIDEK")
    blank = Spectrum(np.zeros(0), np.zeros(0), s.precursor_mz, 2, peptide=s.peptide)
    half = Spectrum(np.unique(by_ions(s.peptide, 2))[:2], np.ones(2), s.precursor_mz, 2, peptide=s.peptide)
    table = [assess(s.peptide, s.peptide, 1.0)] * 2
    labels = [p.label for p in by_part(table, [blank, half])["bonds without ions"]]
    assert labels == ["4-6", "7 or more"]
    assert math.isfinite(median_matched([(blank, s.peptide)]))
