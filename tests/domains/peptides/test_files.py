"""Spectra and engines' outputs in, mzTab out."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError

pytest.importorskip("pyteomics")

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.files.features_out import write_pin
from anyrank.domains.peptides.files.mztab import read_mztab, write_mztab
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import Columns, read_psms
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.psm import join
from anyrank.domains.peptides.spectrum import Spectrum

BLOCK = "BEGIN IONS\nTITLE={}\nPEPMASS=400.5\n{}\nEND IONS\n"


def test_mgf_and_mzml_hold_the_same_spectra(ideal, write_mgf, write_mzml):
    given = [ideal("PEPTIDEK", title="a", scan="7", rt=90.0), ideal("ACDM[Oxidation]K".replace("C", ""), 3, title="b")]
    given.append(Spectrum(np.zeros(0), np.zeros(0), 500.0, 2, "empty", scan="9"))
    mgf, mzml = write_mgf(given), write_mzml(given)
    packed = mgf.with_name("run.mgf.gz")
    packed.write_bytes(gzip.compress(mgf.read_bytes()))
    for path in (mgf, packed, mzml):
        for i, (ours, s) in enumerate(zip(read_spectra(path), given, strict=True)):
            assert ours.mz == pytest.approx(s.mz)
            assert ours.intensity == pytest.approx(s.intensity)
            assert (ours.precursor_mz, ours.charge, ours.index) == (pytest.approx(s.precursor_mz), s.charge, i)
    first = next(iter(read_spectra(mgf)))
    assert (first.title, first.scan, first.rt, first.line, first.peptide) == ("a", "7", 90.0, 1, parse("PEPTIDEK"))
    first = next(iter(read_spectra(mzml)))
    assert (first.scan, first.rt, first.name) == ("7", 90.0, "controllerType=0 controllerNumber=1 scan=7")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("100 1", "no CHARGE"),
        ("CHARGE=2+ and 3+\n100 1", "several charges"),
        ("CHARGE=2+\n100 x", "100 x"),
        ("CHARGE=2+\n100", "1 lines of peaks of which 0"),
        ("CHARGE=2+\n100 -5", "intensity is negative"),
        ("CHARGE=two\n100 5", "two"),
        ("CHARGE=2-\n100 5", "charge of -2"),
        ("CHARGE=2+\nPEPMASS=x\n100 5", "'x'"),
    ],
)
def test_bad_spectra_are_named_and_the_rest_is_kept(tmp_path, inside, message):
    path = tmp_path / "run.mgf"
    good = "CHARGE=2+\n100 1\n90 2"
    path.write_text(
        "# made by hand\n" + BLOCK.format("one", good) + BLOCK.format("two", inside) + BLOCK.format("three", good)
    )
    bad: list[InputError] = []
    kept = list(read_spectra(path, bad=bad))
    assert [(s.title, s.index) for s in kept] == [("one", 0), ("three", 2)]
    assert kept[0].mz.tolist() == [90.0, 100.0]
    assert len(bad) == 1
    assert str(bad[0]).startswith(f"{path}:9: spectrum 'two': ")
    assert message in str(bad[0])
    with pytest.raises(InputError, match="'two'"):
        list(read_spectra(path))


LINES = ["CHARGE=2+", "CHARGE=", "CHARGE=0", "PEPMASS=", "PEPMASS=1 2 3 4", "PEPMASS=400", "RTINSECONDS=x",
         "SEQ=", "SEQ=PEK", "100 1", "100 1 2+", "nan 3", "100 inf", "=", "BEGIN IONS", "END IONS", "-5"]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.text(max_size=9).filter(str.isprintable), st.sampled_from(LINES)), max_size=7))
def test_no_block_spoils_the_next(tmp_path, lines):
    path = tmp_path / "run.mgf"
    inside = "\n".join(lines)
    path.write_text(f"BEGIN IONS\n{inside}\nEND IONS\n" + BLOCK.format("last", "CHARGE=2+\n100 1"))
    assert list(read_spectra(path, bad=[]))[-1].title == "last"


def test_annotations_that_can_not_be_read_cost_the_annotation_only(tmp_path):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format("one", "CHARGE=2+\nSEQ=PEPC\n100 1"))
    bad: list[InputError] = []
    (kept,) = read_spectra(path, bad=bad)
    assert kept.peptide is None
    assert str(bad[0]).startswith(f"{path}:5: unknown residue 'C'")
    (kept,) = read_spectra(path, fixed={"C": "C+57.021"})
    assert kept.peptide == parse("PEPC+57.021")
    with pytest.raises(InputError, match=r"run.mgf:5: unknown residue"):
        list(read_spectra(path))


def test_a_header_gives_defaults_and_a_cut_off_block_is_named(tmp_path):
    path = tmp_path / "run.mgf"
    path.write_text("CHARGE=3+\n" + BLOCK.format("one", "100 1") + "BEGIN IONS\nTITLE=two\nPEPMASS=3\n")
    bad: list[InputError] = []
    assert [s.charge for s in read_spectra(path, bad=bad)] == [3]
    assert "run.mgf:7: spectrum 'two': BEGIN IONS without its END IONS" in str(bad[0])


def test_files_that_are_no_spectra(tmp_path, write_mzml, ideal):
    (tmp_path / "a.mgf").write_text("nothing\n")
    with pytest.raises(InputError, match="no BEGIN IONS"):
        list(read_spectra(tmp_path / "a.mgf"))
    with pytest.raises(InputError, match=r"expected \.mgf, \.mzML"):
        list(read_spectra(tmp_path / "a.raw"))
    path = write_mzml([ideal("PEK", scan="1")])
    assert len(list(read_spectra(path))) == 1
    path.write_text(path.read_text().replace("</spectrumList>", ""))
    with pytest.raises(InputError, match=r"run.mzML:\d+: broken XML"):
        list(read_spectra(path))
    with pytest.raises(InputError, match="can't be read"):
        list(read_spectra(tmp_path / "absent.mzML"))


@pytest.mark.parametrize("fault", [{"without": "charge"}, {"broken": True}])
def test_bad_spectra_of_mzml_are_named(write_mzml, ideal, fault):
    path = write_mzml([ideal("PEPTIDEK", scan="1"), ideal("AAAK", scan="2"), ideal("GGGK", scan="3")], **fault)
    bad: list[InputError] = []
    assert [s.scan for s in read_spectra(path, bad=bad)] == ["1", "3"]
    assert "run.mzML:5: spectrum 'controllerType=0 controllerNumber=1 scan=2'" in str(bad[0])


def test_preparation():
    mz = np.array([40.0, 100.0, 200.0, 299.6, 400.0, 401.0, 598.2, 5000.0])
    s = Spectrum(mz, np.array([9.0, 16.0, 9.0, 99.0, 1.0, 0.0, 99.0, 9.0]), 300.0, 2)
    assert s.prepared().mz.tolist() == [100.0, 200.0, 400.0]
    assert s.prepared(peaks=2).mz.tolist() == [100.0, 200.0]
    assert s.prepared(least=0.1).mz.tolist() == [100.0, 200.0]
    assert s.prepared().intensity == pytest.approx(np.array([4, 3, 1]) / np.sqrt(26))
    assert len(Spectrum(np.zeros(0), np.zeros(0), 300.0, 2).prepared()) == 0
    high = Spectrum(np.array([100.0, 200.0]), np.array([1.7e308, 1.7e308]), 300.0, 2)
    assert high.prepared().intensity == pytest.approx(np.sqrt([0.5, 0.5]))


HEAD = "MTD\tmzTab-version\t1.0.0\nPSH\tsequence\tPSM_ID\tsearch_engine_score[1]\tmodifications\tspectra_ref\n"


def test_mztab_in_three_styles_and_its_faults(tmp_path):
    path = tmp_path / "a.mztab"
    rows = [
        "M+15.995K\t1\t0.9\tnull\tms_run[1]:index=0",
        "MCK\t2\t0.8\t0-UNIMOD:1,1-Oxidation (M),2-UNIMOD:4\tms_run[1]:scan=5",
        "MUK\t3\t0.8\tnull\tms_run[1]:index=2",
        "MK\t4\tnull\tnull\tms_run[1]:index=3",
        "null\t5\tnull\tnull\tms_run[1]:index=4",
        "MK\t6",
    ]
    path.write_text(HEAD + "".join(f"PSM\t{r}\n" for r in rows))
    bad: list[InputError] = []
    psms = list(read_psms(path, bad=bad))
    assert [(str(p.peptide), p.spectrum, p.line) for p in psms] == [
        ("M+15.995K", "index=0", 3), ("+42.011M+15.995C+57.021K", "scan=5", 4),
    ]  # fmt: skip
    assert [e.line for e in bad] == [5, 6, 8]
    assert "unknown residue 'U'" in str(bad[0])
    with pytest.raises(InputError, match=r"a.mztab:5"):
        list(read_mztab(path))
    path.write_text("PSH\tsequence\n")
    with pytest.raises(InputError, match="no column search_engine_score"):
        list(read_mztab(path))
    path.write_text("MTD\tx\ty\n")
    with pytest.raises(InputError, match="no PSM row"):
        list(read_mztab(path))


def test_mztab_of_several_runs_gives_those_of_ours(tmp_path):
    path = tmp_path / "a.mztab"
    runs = "".join(f"MTD\tms_run[{i}]-location\tfile:///C:/data/{n}.mzML.gz\n" for i, n in ((1, "A"), (2, "b")))
    rows = "".join(f"PSM\tPEK\t{i}\t1\tnull\tms_run[{i}]:index=0\n" for i in (1, 2))
    path.write_text(runs + HEAD + rows)
    assert len(list(read_psms(path))) == 2
    bad: list[InputError] = []
    assert [p.line for p in read_psms(path, run="/tmp/b.mgf", bad=bad)] == [6]
    assert [str(e) for e in bad] == [f"{path}:5: a spectrum of run 'a', expected one of run 'b' (ms_run[1]:index=0)"]


def test_mztab_out_reads_back_here_and_in_pyteomics(tmp_path, ideal):
    from pyteomics.mztab import MzTab

    texts = ["PEPTIDEK", "[Acetyl]-M[Oxidation]C[Carbamidomethyl]K", "+43.006-17.027QN+0.984K"]
    spectra = [ideal(t, title=f"t{i}", index=i, scan=str(i + 10)) for i, t in enumerate(texts)]
    meta = {"scores": {"a": 1.0, "b": 2.0}}
    rankings = [Ranking(Query(s.name, s), (Candidate(s.peptide.key, s.peptide, 3.5 + s.index, meta),)) for s in spectra]
    path = tmp_path / "out.mztab"
    assert write_mztab(path, [*rankings, Ranking(Query("none", spectra[0]))], run="run.mgf", method="x\ty") == 3
    back = list(read_mztab(path))
    assert [str(p.peptide) for p in back] == [str(parse(t)) for t in texts]
    assert [p.score for p in back] == [3.5, 4.5, 5.5]
    assert sum(map(len, join(back, spectra).psms.values())) == 3
    table = MzTab(io.StringIO(path.read_text()), table_format="dict")
    rows = table["psm"]["rows"]
    assert table.version == "1.0.0"
    assert [r["sequence"] for r in rows] == ["PEPTIDEK", "MCK", "QNK"]
    assert [r["modifications"] for r in rows] == [
        None,
        "0-UNIMOD:1,1-UNIMOD:35,2-UNIMOD:4",
        "0-UNIMOD:5,0-UNIMOD:385,2-UNIMOD:7",
    ]
    assert rows[0]["calc_mass_to_charge"] == pytest.approx(rows[0]["exp_mass_to_charge"], abs=1e-5)
    without = path.read_text().replace("opt_global_proforma", "opt_global_other")
    path.write_text(without)
    assert [str(p.peptide) for p in read_mztab(path)] == [str(parse(t)) for t in texts]


def test_tables_of_engines(tmp_path):
    files = {
        "casanovo.csv": "spectrum_id,denovo_seq,peptide_score,aa_scores\n0,M+15.995K,0.9,\"[1.0, 1.0]\"\n",
        "instanovo.csv": "scan_number,spectrum_id,precursor_mz,predictions,log_probs\n5,run:5,,M[UNIMOD:35]K,-0.1\n",
        "old.csv": "spectrum_id,preds,log_probs\n5,\"M(+15.99),K\",-0.1\n6,,\n",
        "pointnovo.tsv": "feature_id\tpredicted_sequence\tpredicted_score\tscan_list_original\n"
        "9\tM(Oxidation),K\t-0.1\tF1:5\n",
    }  # fmt: skip
    spectra = {"casanovo.csv": "0", "instanovo.csv": "run:5", "old.csv": "5", "pointnovo.tsv": "F1:5"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (psm,) = read_psms(tmp_path / name)
        assert (str(psm.peptide), psm.spectrum, psm.line) == ("M+15.995K", spectra[name], 2)
    (tmp_path / "other.csv").write_text("spec,pep,p\n1,PEK,0.5\n2,PXK,0.5\n3,PEK,high\n")
    with pytest.raises(InputError, match=r"other.csv:1: no column for the spectrum.*spectrum=COLUMN \(--columns\)"):
        list(read_psms(tmp_path / "other.csv"))
    bad: list[InputError] = []
    named = Columns().named("spectrum=spec,sequence=pep,score=p")
    assert len(list(read_psms(tmp_path / "other.csv", columns=named, bad=bad))) == 1
    assert [e.line for e in bad] == [3, 4]
    with pytest.raises(InputError, match="NAME one of"):
        Columns().named("sequnce=pep")


def test_rows_of_another_width_cost_themselves_only(tmp_path):
    head, good = "spectrum_id,denovo_seq,peptide_score,precursor_mz\n", '"a\n b",PEK,0.5,400.5\n'
    path = tmp_path / "a.csv"
    path.write_text(head + "0,PEK\n" + good + "\n1,PEK,0.5,400.5,7\n2,PEK,0.5,400.5\n")
    bad: list[InputError] = []
    assert [(p.spectrum, p.line) for p in read_psms(path, bad=bad)] == [("a b", 3), ("2", 7)]
    assert [e.line for e in bad] == [2, 6]
    assert "expected 4 columns (spectrum_id, denovo_seq, peptide_score, precursor_mz), found 2" in str(bad[0])
    with pytest.raises(InputError, match=r"a.csv:2: expected 4 columns"):
        list(read_psms(path))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv: no row under a header"),
        ("a.csv", "spectrum_id,denovo_seq,peptide_score\n", "a.csv: no row under a header"),
        (
            "a.csv",
            "spectrum_id;denovo_seq;peptide_score\n0;PEK;1\n",
            "a.csv:1: one column, .* which holds ';': expected c",
        ),
        ("a.tsv", "spectrum_id,denovo_seq\n0,PEK\n", "a.tsv:1: one column, .* which holds ',': expected commas"),
        ("a.csv", "scan,scan,score\n0,PEK,1\n", "a.csv:1: two columns of the header"),
        ("a.txt", HEAD, r"a.txt:1: this looks like mzTab: .* \.mztab"),
        ("a.csv", 'spectrum_id,denovo_seq,peptide_score\n0,"PEK,1\n', "a.csv:2: broken CSV"),
        ("a.csv", "spectrum_id,denovo_seq\n0,PEK\n", "a.csv:1: no column for the score"),
    ],
)
def test_tables_that_are_none_are_told_with_the_cure(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_psms(tmp_path / name, bad=[]))


def test_beams_are_more_candidates(tmp_path):
    path = tmp_path / "beams.csv"
    path.write_text(
        "spectrum_id,predictions,log_probabilities,predictions_beam_0,log_probabilities_beam_0,"
        "predictions_beam_1,log_probabilities_beam_1\na,PEK,-1,PEK,-1,EPK,-2\n"
    )
    assert [(str(p.peptide), p.score) for p in read_psms(path)] == [("PEK", -1), ("PEK", -1), ("EPK", -2)]


def test_masses_of_a_pin_file_are_those_of_the_ions_of_one_charge(tmp_path, ideal):
    """Percolator takes the mass of the singly protonated peptide: 928.4622 for PEPTIDEK, at any charge."""
    ranking = Ranking(Query("q", ideal("PEPTIDEK", 2)), (Candidate("a", parse("PEPTIDEK")),))
    assert write_pin(tmp_path / "x.pin", [ranking], ()) == 1
    head, row = ((tmp_path / "x.pin").read_text().splitlines()[i].split("\t") for i in (0, 1))
    cells = dict(zip(head, row))
    assert float(cells["ExpMass"]) == pytest.approx(928.4622, abs=5e-4)
    assert float(cells["CalcMass"]) == pytest.approx(928.4622, abs=5e-4)
