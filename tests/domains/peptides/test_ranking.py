"""Joining, merging, rankers, features and training candidates."""

import math
import sys
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.fusion import RRF, Borda, Combine
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.corrupt import corrupted, practice
from anyrank.domains.peptides.features import features, names
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.judges import Consensus, EngineScore, MassError, ScoreSum, SpectrumMatch, Vote, reranker
from anyrank.domains.peptides.matching import Tolerance, cosine, coverage, explained, hyperscore, match
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.methods import METHODS, Setting, stage
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.peptide import Peptide
from anyrank.domains.peptides.psm import Psm, join
from anyrank.domains.peptides.reports.spectrum_chart import ion_names
from anyrank.domains.peptides.spectrum import Spectrum

NOTHING = np.zeros(0)


def psm(spectrum, text, score, **more):
    return Psm(spectrum, parse(text), score, **more)


@pytest.fixture
def three(ideal):
    texts = ("PEPTIDEK", "ELVISK", "SAMPLEK")
    return [ideal(t, title=f"t{i}", index=i, scan=str(i + 1)) for i, t in enumerate(texts)]


def test_engines_name_spectra_in_their_own_ways(three):
    for ways in (["t0", "t1"], ["index=0", "index=1"], ["scan=1", "scan=2"], ["x' 'index=0", "controller=0 scan=2"]):
        joined = join([psm(w, "PEK", 1) for w in ways], three)
        assert sorted(joined.psms) == [0, 1], ways
    assert join([psm("1", "PEK", 1), psm("2", "PEK", 1), psm("3", "PEK", 1)], three).by == "scan"
    assert join([psm("0", "PEK", 1), psm("1", "PEK", 1), psm("2", "PEK", 1)], three).by == "index"
    assert sorted(join([psm("1", "PEK", 1), psm("2", "PEK", 1)], three, by="index").psms) == [1, 2]
    fraction = [replace(s, scan=f"F1:{s.scan}") for s in three]
    assert sorted(join([psm("scan=2", "PEK", 1), psm("scan=3", "PEK", 1)], fraction).psms) == [1, 2]
    assert sorted(join([psm("F1:2", "PEK", 1), psm("F1:3", "PEK", 1)], fraction).psms) == [1, 2]


def test_rows_without_their_spectrum_are_named(three):
    bad: list[InputError] = []
    rows = [psm("t0", "PEK", 1), psm("t9", "PEK", 1, path="a.csv", line=3)]
    joined = join(rows, three, bad=bad)
    assert joined.lost == 1
    assert str(bad[0]) == "a.csv:3: no spectrum 't9' (looked up by title)"
    with pytest.raises(InputError, match="none of 1 rows names a spectrum"):
        join([psm("zz", "PEK", 1)], three)
    with pytest.raises(InputError, match="no spectra"):
        join([psm("zz", "PEK", 1)], [])
    with pytest.raises(InputError, match=r"whose precursor m/z is .* not 999"):
        join([psm("t0", "PEK", 1, precursor_mz=999.0)], three)
    with pytest.raises(
        InputError, match=r"none of 2 rows fits its spectrum; spectrum 'index=1' is 't1' by index, whose"
    ):
        join([psm("index=1", "PEK", 1, precursor_mz=9.0), psm("t0", "PEK", 1, precursor_mz=9.0)], three, bad=[])
    isotope = three[0].precursor_mz + 1.00335 / 2
    assert join([psm("t0", "PEK", 1, precursor_mz=isotope)], three).lost == 0
    twins = [three[0], three[0]]
    with pytest.raises(InputError, match="several spectra are named 't0'"):
        join([psm("t0", "PEK", 1)], twins, by="title")
    with pytest.raises(InputError, match="by='name'"):
        join([], three, by="name")


def test_merging_joins_i_and_l_and_keeps_every_score(three):
    a = join([psm("t0", "PEPTIDEK", 0.9), psm("t0", "PEPTIDER", 0.3), psm("t0", "PEPTLDEK", 0.5)], three)
    b = join([psm("t0", "EPPTIDEK", -1.0), psm("t0", "PEPTLDEK", -2.0), psm("t1", "ELVISK", -1.0)], three)
    first, second, third = merge(three, {"a": a, "b": b})
    assert [str(c.content) for c in first] == ["PEPTIDEK", "EPPTIDEK", "PEPTIDER"]
    assert first[0].meta == {"scores": {"a": 0.9, "b": -2.0}, "ranks": {"a": 1, "b": 2}}
    assert first[2].meta["ranks"] == {"a": 2}
    assert first.query.content is three[0]
    assert (len(second), len(third)) == (1, 0)
    assert [len(r) for r in merge(three, {"a": a, "b": b}, top=1)] == [2, 1, 0]
    with pytest.raises(InputError, match="top=0"):
        merge(three, {"a": a}, top=0)


def test_spectra_of_one_title_stay_apart(three):
    rankings = merge([three[0], three[0]], {})
    assert [r.query.id for r in rankings] == ["t0 index=0", "t0 index=0"]


@pytest.fixture
def ranking(ideal):
    scores = {"EPPTIDEK": {"a": 0.9}, "PEPTIDEK": {"a": 0.5, "b": -1.0}, "PEPTIDK": {"b": -0.5}}
    ranks = {"EPPTIDEK": {"a": 1}, "PEPTIDEK": {"a": 2, "b": 2}, "PEPTIDK": {"b": 1}}
    cs = [Candidate(k, parse(k), 1.0, {"scores": v, "ranks": ranks[k]}) for k, v in scores.items()]
    return Ranking(Query("q", ideal("PEPTIDEK", title="q")), tuple(cs))


@pytest.mark.parametrize(
    ("judge", "best"),
    [
        (EngineScore("a"), "EPPTIDEK"),
        (EngineScore("b"), "PEPTIDK"),
        (Vote(("a", "b"), RRF()), "PEPTIDEK"),
        (Vote(("a", "b"), Borda()), "EPPTIDEK"),
        (Vote(("a", "b"), Combine(normalise="minmax")), "EPPTIDEK"),
        (SpectrumMatch(hyperscore), "PEPTIDEK"),
        (SpectrumMatch(cosine), "PEPTIDEK"),
        (SpectrumMatch(explained), "PEPTIDEK"),
        (SpectrumMatch(coverage), "PEPTIDEK"),
        (MassError(), "EPPTIDEK"),
        (Consensus(), "PEPTIDEK"),
    ],
)
def test_each_judge_has_its_own_best(ranking, judge, best):
    out = reranker(judge, "x")(ranking)
    assert out.ids[0] == best
    assert sorted(out.ids) == sorted(ranking.ids)
    assert out.status == "ok"
    assert out.trace[-1].name == "x"


def test_scores_are_the_judges_own_and_compare_between_spectra(ranking):
    out = reranker(EngineScore("a"), "a")(ranking)
    assert out.scores[:2] == [0.9, 0.5]
    assert reranker(Vote(("a",), Borda()), "b")(ranking[:1])[0].score == 1.0
    levels = ScoreSum.of([ranking], ["a", "b"])
    assert levels.levels == ((0.5, 0.9), (-1.0, -0.5))
    assert reranker(levels, "s")(ranking).scores == [1.0, 1.0, 1.0]
    assert len(reranker(levels, "s")(ranking[:0])) == 0


def test_the_methods_all_rank(ranking):
    setting = Setting(("a", "b"), [ranking])
    for name in [*(m for m in METHODS if not METHODS[m].learned), "engine:b"]:
        assert sorted(stage(name, setting)(ranking).ids) == sorted(ranking.ids)
    for wrong, message in (("engine:c", "no engine 'c'"), ("best", "no method 'best'"), ("lightgbm", "--model")):
        with pytest.raises(InputError, match=message):
            stage(wrong, setting)


def test_an_ideal_spectrum_is_explained_whole(ideal):
    s = ideal("PEPTIDEK", 3)
    matched = match(s, s.peptide)
    assert matched.peak.min() >= 0
    assert matched.sites.all()
    assert explained(s, matched) == pytest.approx(1.0)
    assert coverage(s, matched) == 1.0
    assert hyperscore(s, matched) > 2 * math.lgamma(8)
    named = ion_names(matched)
    assert {"b2", "y2", "b2++", "y7++"} <= set(named.values())
    even = Spectrum(s.mz, np.ones(len(s)), s.precursor_mz, 3)
    assert cosine(even, match(even, s.peptide)) == pytest.approx(1.0)


@pytest.mark.parametrize("peaks", [[], [147.1128], [147.1128, 900.0]])
def test_few_peaks_and_short_peptides_score_without_fault(peaks):
    s = Spectrum(np.array(peaks), np.ones(len(peaks)), 464.74, 2)
    for text in ("K", "PEPTIDEK"):
        matched = match(s, parse(text))
        values = [f(s, matched) for f in (hyperscore, cosine, explained, coverage)]
        assert all(math.isfinite(v) and v >= 0 for v in values)
    assert (explained(s, match(s, parse("PEPTIDEK"))) > 0) == bool(peaks)


def test_tolerances(ideal):
    s = ideal("PEPTIDEK")
    moved = Spectrum(s.mz + 0.1, s.intensity, s.precursor_mz, 2)
    assert (match(moved, s.peptide).peak < 0).all()
    assert (match(moved, s.peptide, Tolerance.of("0.2 da")).peak >= 0).all()
    for wrong in ("20", "0ppm", "20 mDa"):
        with pytest.raises(InputError, match="20ppm"):
            Tolerance.of(wrong)


def test_features_have_their_names(ranking):
    table = features(ranking.query, ranking.candidates, ("a", "b"))
    known = names(("a", "b"))
    assert table.shape == (3, len(known))
    column = dict(zip(known, table.T))
    assert column["proposed by"].tolist() == [1, 2, 1]
    assert np.isnan(column["b rank"]).tolist() == [True, False, False]
    assert column["hyperscore less best"].argmax() == 1
    assert column["a score less best"][:2].tolist() == [0.0, -0.4]
    assert np.isfinite(table[:, : known.index("a score")]).all()
    assert features(ranking.query, (), ("a",)).shape == (0, len(names(("a",))))


peptides = st.lists(st.sampled_from("GASPVTLNDQKEMHFRYW"), min_size=2, max_size=15).map(lambda s: Peptide(tuple(s)))


@settings(max_examples=30)
@given(peptides, st.integers(0, 99))
def test_corrupted_candidates_are_wrong_and_different(peptide, seed):
    wrong = corrupted(peptide, 5, seed)
    assert wrong == corrupted(peptide, 5, seed)
    keys = [w.key for w in wrong]
    assert len(set(keys)) == len(keys) <= 5
    assert peptide.key not in keys


def test_most_corrupted_candidates_keep_the_mass():
    peptide = parse("SAMPLEPEPTIDENGK")
    wrong = corrupted(peptide, 40, 1)
    assert len(wrong) == 40
    assert sum(abs(w.mass - peptide.mass) < 0.05 for w in wrong) > 15
    assert any(len(w) != len(peptide) for w in wrong)
    assert corrupted(peptide, 5, 1) != corrupted(peptide, 5, 2)


def test_practice_groups_hold_the_truth_and_distances(three):
    blank = Spectrum(NOTHING, NOTHING, 300.0, 2)
    rankings = practice([*three, blank], 6, seed=4)
    assert len(rankings) == 3
    for r, s in zip(rankings, three):
        assert len(r) == 6
        away = {c.id: c.meta["pmd"] for c in r}
        assert away[s.peptide.key] == 0
        assert all(d > 1e-5 for k, d in away.items() if k != s.peptide.key)
        assert not any("I" in str(c.content) for c in r)
    assert all(s.peptide.key not in r.ids for r, s in zip(practice(three, truth=False), three))


def test_practice_can_not_be_passed_without_the_spectrum():
    random = Random(5)
    peptides = [Peptide(tuple(random.choices("GASPVTLNDQKEMHFRYW", k=random.randint(7, 15)))) for _ in range(300)]
    rankings = practice([Spectrum(NOTHING, NOTHING, p.mz(2), 2, str(i), peptide=p) for i, p in enumerate(peptides)], 6)
    out = reranker(Consensus(), "consensus").batch(rankings)
    assert sum(r[0].id == p.key for r, p in zip(out, peptides)) < 300 * 0.25


def test_packages_that_are_absent_are_named(monkeypatch, tmp_path, three):
    for module, call in (
        ("lightgbm", lambda: Boosted.fit([], [], ())),
        ("lightgbm", lambda: Boosted.load("trees.json", ())),
        ("pyteomics.mgf", lambda: list(read_spectra(tmp_path / "a.mgf"))),
        ("lxml", lambda: list(read_spectra(tmp_path / "a.mzml"))),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtra, match=rf"'{module.partition('.')[0]}'.*pip install"):
                call()


def test_the_hyperscore_is_the_logarithm_of_its_formula():
    s = Spectrum(np.array([98.0600, 147.1128, 276.1554, 500.0]), np.array([1.0, 4.0, 2.0, 3.0]), 464.74, 2)
    matched = match(s, parse("PEPTIDEK"))
    assert matched.seen.sum(axis=1).tolist() == [1, 2]  # b1, y1, y2
    # 1! 2! (100 (1 + 4 + 2) / 4): the highest peak is 100
    assert hyperscore(s, matched) == pytest.approx(math.log(1 * 2) + math.log1p(175.0))


def test_the_mass_error_allows_the_next_isotope(ideal):
    s = ideal("PEPTIDEK")
    moved = Spectrum(s.mz, s.intensity, s.precursor_mz + 1.00335 / 2, 2)
    (scored,) = MassError()([(Query("q", moved), [Candidate("a", s.peptide)])])
    assert scored.scores[0] == pytest.approx(0.0, abs=1e-6)


def test_the_feature_of_the_mass_error_allows_the_next_isotope(ideal):
    s = ideal("PEPTIDEK")
    moved = Spectrum(s.mz, s.intensity, s.precursor_mz + 1.00335 / 2, 2)
    (row,) = features(Query("q", moved), [Candidate("a", s.peptide)], ())
    assert dict(zip(names(()), row))["abs ppm"] == pytest.approx(0.0, abs=1e-6)


def test_corrupted_candidates_keep_a_c_terminal_modification():
    wrong = corrupted(parse("SAMPLEPEPTIDEK-[Amidated]"), 8, 1)
    assert len(wrong) == 8
    assert all(w.c_term == "-[-0.984]" for w in wrong)
    assert not any(w.c_term for w in corrupted(parse("SAMPLEPEPTIDEK"), 8, 1))
    tagged = corrupted(parse("S[Phospho]AMPK[TMT6plex]EPEPTIDEK"), 8, 1)
    assert len(tagged) == 8
