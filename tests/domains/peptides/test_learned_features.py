"""Fragment intensities and retention times learned from annotated spectra, and trees that read them."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("pyteomics")
pytest.importorskip("lightgbm")

from anyrank.cli import cli
from anyrank.cli.peptides_rerank import Confidences
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.confidence import expected_wrong
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.features import names
from anyrank.domains.peptides.intensities import NAMES, Intensities, agreement, ions, observed
from anyrank.domains.peptides.peptide import Peptide
from anyrank.domains.peptides.retention import Retention
from anyrank.domains.peptides.simulate import simulated
from anyrank.domains.peptides.split import folds


@pytest.fixture(scope="module")
def spectra():
    """Spectra whose time is a sum over residues."""
    weight = {letter: 10.0 * i for i, letter in enumerate("GASPVTCLINDQKEMHFRYW")}
    return [replace(s, rt=sum(weight[letter] for letter in s.peptide.bare)) for s in simulated(60, seed=4) if s.peptide]


def test_ions_are_described_from_their_own_side():
    table = ions(Peptide(tuple("AKG")), 2)
    assert table.shape == (4, 16)
    b1, _, y1, y2 = table
    assert [row[6] for row in table] == [0, 0, 1, 1]
    assert (b1[10], b1[11], y2[12], y2[13]) == (3, 2, 1, 0)  # residues, charge; the K is in y2
    assert list(b1[:6]) == list(y2[:6])  # of one bond
    assert b1[14] == pytest.approx(71.037114)
    assert y1[14] == pytest.approx(57.021464)


def test_heights_are_the_matched_peaks(spectra):
    clean = spectra[0].prepared()
    heights = observed(clean, clean.peptide)
    assert heights.shape == (2, len(clean.peptide) - 1)
    assert 0 < heights.max() <= 2 * clean.intensity.max()
    assert observed(clean, Peptide(("G",))).shape == (2, 0)
    assert agreement(np.array([1.0, 0.0]), np.array([0.0, 1.0]))[0] == 0
    assert agreement(np.zeros(2), np.zeros(2)) == (0.0, 0.0, 0.0)


def test_intensities_tell_a_right_peptide_and_take_any(spectra):
    model = Intensities.fit(spectra[:40], rounds=20)
    right = 0
    for ranking in practice(spectra[40:], 6):
        columns = model.columns(ranking.query, ranking.candidates)
        assert columns.shape == (len(ranking), len(NAMES))
        assert columns[:, 3].max() == 0
        right += ranking[int(columns[:, 0].argmax())].id == ranking.query.content.peptide.key
    assert right >= 10
    short = [Candidate("G", Peptide(("G",)))]
    assert not model.columns(Query("q", spectra[0]), short).any()
    with pytest.raises(InputError, match="no annotated spectrum"):
        Intensities.fit([replace(spectra[0], peptide=None)])


def test_times_are_sums_over_residues(spectra):
    model = Retention.fit(spectra, ridge=1e-3)
    assert model.expected(spectra[0].peptide) == pytest.approx(spectra[0].rt, rel=0.05)
    ranking = practice(spectra[:1], 4)[0]
    columns = model.columns(ranking.query, ranking.candidates)
    assert np.allclose(np.abs(columns[:, 0]), columns[:, 1])
    assert columns[:, 2].min() == 0
    timeless = Query("q", replace(spectra[0], rt=None))
    assert np.isnan(model.columns(timeless, ranking.candidates)).all()
    with pytest.raises(InputError, match="0 annotated spectra have a retention time"):
        Retention.fit([replace(s, rt=None) for s in spectra])


def test_trees_with_learned_features_are_saved_whole(spectra, tmp_path):
    rankings = practice(spectra, 5)
    truths = [r.query.content.peptide for r in rankings]
    trees = Boosted.fit(rankings, truths, (), rounds=5, learn=("intensities", "retention"))
    trees.save(tmp_path / "m.json")
    again = Boosted.load(tmp_path / "m.json")
    assert again.learned.kinds == ("intensities", "retention")
    groups = [(r.query, list(r.candidates)) for r in rankings]
    assert [j.scores for j in again(groups)] == [j.scores for j in trees(groups)]
    assert len(trees.booster.feature_name()) == len(names(())) + len(again.learned.names)
    with pytest.raises(InputError, match="nothing named 'colour' is learned"):
        Boosted.fit(rankings, truths, (), learn=("colour",))


def test_learned_features_of_a_training_spectrum_come_from_others(spectra, monkeypatch):
    """No part that a spectrum's features come from has seen its peptide."""
    seen = []
    fit = Intensities.fit.__func__

    def watched(cls, part, tolerance, **settings):
        seen.append({s.peptide.backbone for s in part})
        return fit(cls, part, tolerance, **settings)

    monkeypatch.setattr(Intensities, "fit", classmethod(watched))
    rankings = practice(spectra, 3)
    Boosted.fit(rankings, [r.query.content.peptide for r in rankings], (), rounds=2, learn=("intensities",))
    peptides = [s.peptide for s in spectra]
    of = folds(peptides, 3)
    assert len(seen) == 4
    for k in range(3):
        assert seen[k].isdisjoint(p.backbone for p, f in zip(peptides, of) if f == k)
    assert seen[3] == {p.backbone for p in peptides}


def test_expected_wrong_choices():
    assert expected_wrong([1.0, 1.0]) == (0.0, 0.0)
    wrong, spread = expected_wrong([0.9] * 100)
    assert (wrong, spread) == (pytest.approx(10), pytest.approx(3))


def test_rates_that_can_not_be_are_refused(tmp_path):
    result = CliRunner().invoke(cli, ["peptides", "rerank", "--fdr", "1.5", "-o", str(tmp_path / "x")])
    assert result.exit_code == 2


def test_choices_are_held_to_an_error_rate(spectra, capsys):
    rankings = practice(spectra[:4], 2)
    confidences = Confidences([[0.99], [0.6], [0.97], []], "fitted", [])
    accepted = confidences.accepted([*rankings[:3], rankings[3][:0]], 0.05)
    assert [len(r) for r in accepted] == [len(rankings[0]), 0, len(rankings[2]), 0]
    assert "2 of 4 spectra are written" in capsys.readouterr().err
    assert not any(len(r) for r in confidences.accepted(rankings[:3], 0.001))
    with pytest.raises(InputError, match="--fdr needs a calibrated confidence"):
        Confidences([], "agreement", [], calibrated=False).accepted([], 0.05)


def test_the_command_learns_what_it_is_told(spectra, write_mgf, tmp_path):
    out = tmp_path / "trees.json"
    options = ["--learn", "intensities", "--rounds", "3", "--valid", "0"]
    command = ["peptides", "train", "--spectra", str(write_mgf(spectra[:30])), "--kind", "lightgbm", *options]
    result = CliRunner().invoke(cli, [*command, "-o", str(out)], standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0
    assert Boosted.load(out).learned.kinds == ("intensities",)
    with pytest.raises(InputError, match="--learn has no effect with --kind engine"):
        CliRunner().invoke(
            cli,
            ["peptides", "train", "--spectra", "x", "--kind", "engine", "--learn", "retention", "-o", "y"],
            standalone_mode=False,
            catch_exceptions=False,
        )
