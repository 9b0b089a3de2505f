"""Real spectra and the outputs of two Casanovo versions for them."""

import statistics
from collections import Counter

import pytest

pytest.importorskip("pyteomics")

from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.ions import ppm
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.methods import Setting, stage
from anyrank.domains.peptides.psm import join


@pytest.fixture(scope="module")
def folder(data):
    return data / "peptide-ms"


@pytest.fixture(scope="module")
def spectra(folder):
    return list(read_spectra(folder / "casanovo_sample_128.mgf.gz"))


def test_the_table_weighs_as_the_instrument_does(spectra):
    errors = [abs(ppm(s.peptide, s.precursor_mz, s.charge)) for s in spectra]
    assert len(errors) == 128
    assert max(errors) == pytest.approx(9.89, abs=0.005)
    assert statistics.median(errors) == pytest.approx(0.49, abs=0.005)
    assert len({s.peptide.key for s in spectra}) == 120


def test_the_sample_is_the_published_one(spectra):
    assert Counter(s.charge for s in spectra) == {2: 127, 3: 1}
    lengths, peaks = [len(s.peptide) for s in spectra], [len(s) for s in spectra]
    assert (min(lengths), max(lengths), min(peaks), max(peaks)) == (6, 19, 20, 120)
    marks = Counter(mark for s in spectra for _, mark in s.peptide.modifications)
    assert marks == {"+57.021": 23, "+15.995": 4, "+0.984": 2}


def test_tryptic_spectra_read_whole(folder):
    spectra = list(read_spectra(folder / "denovobench_QEPlus2_40_F5.mgf.gz"))
    assert len(spectra) == 1094
    assert sum(s.peptide.bare[-1] in "KR" for s in spectra) == 1091
    assert sum(abs(ppm(s.peptide, s.precursor_mz, s.charge, (0, 1, 2))) < 20 for s in spectra) > 1080


def test_what_the_small_files_lack_is_named(folder):
    bad = []
    assert len(list(read_spectra(folder / "depthcharge_TMT10.mgf.gz", bad=bad))) == 6
    assert "gz:234: spectrum 'TMT10-Trial-8.505.505.': no CHARGE" in str(bad[0])
    bad = []
    mouse = list(read_spectra(folder / "mouse_450.mgf.gz", bad=bad))
    assert len(mouse) == 11
    assert ["'C'" in str(e) for e in bad] == [True, True]
    assert all(s.peptide for s in read_spectra(folder / "mouse_450.mgf.gz", fixed={"C": "C+57.021"}))


def test_two_engines_are_joined_as_they_were_published(folder, spectra):
    bad = []
    files = {"v4": "casanovo_4.1.1_sample.mztab", "v3": "casanovo_v3_output.csv.gz"}
    engines = {n: join(read_psms(folder / f, bad=bad), spectra, bad=bad) for n, f in files.items()}
    assert len(bad) == 1920  # rows of the table for spectra of another file
    assert "casanovo_v3_output.csv.gz:130: no spectrum '128'" in str(bad[0])
    rankings = merge(spectra, engines)
    keys = [s.peptide.key for s in spectra]
    exact = {n: sum(e.psms[i][0].peptide.key == k for i, k in enumerate(keys)) for n, e in engines.items()}
    assert exact == {"v4": 62, "v3": 50}
    assert sum(k in r.ids for r, k in zip(rankings, keys)) == 64
    assert sum(map(len, rankings)) == 204
    for n in engines:
        alone = stage(f"engine:{n}", Setting(tuple(engines), rankings)).batch(rankings)
        assert sum(r[0].id == k for r, k in zip(alone, keys)) == exact[n]
