"""Files as engines and converters write them: every one of these lost rows or spectra, or joined none."""

import csv
import zlib
from dataclasses import replace

import numpy as np
import pytest

from anyrank.core.errors import InputError

pytest.importorskip("pyteomics")

from anyrank.domains.peptides.files.mztab import read_mztab
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.psm import Psm, join, with_charges

PROFORMA = "opt_global_cv_MS:1003169_proforma_peptidoform_sequence"
BLOCK = "BEGIN IONS\nTITLE={}\nPEPMASS=400.5\n{}\n100 1\n90 2\nEND IONS\n"


@pytest.fixture
def three(ideal):
    texts = ("PEPTIDEK", "ELVISK", "SAMPLEK")
    return [ideal(t, title=f"t{i}", index=i, scan=str(i + 17)) for i, t in enumerate(texts)]


@pytest.mark.parametrize(
    ("sequence", "modifications", "proforma", "tokens"),
    [
        ("PEMK", "3-Oxidation (M):UNIMOD:35", "PEM[Oxidation]K", ("P", "E", "M+15.995", "K")),
        ("PEMNK", "3-Oxidation (M):UNIMOD:35; 4-[+0.984]", None, ("P", "E", "M+15.995", "N+0.984", "K")),
        ("CMK", "0-Acetyl:UNIMOD:1; 1-Carbamidomethyl (C):UNIMOD:4", None, ("+42.011", "C+57.021", "M", "K")),
        ("CMK", "null", "CM[+15.9949]K", ("C", "M+15.995", "K")),
        ("PEK", "4-UNIMOD:2", None, ("P", "E", "K", "-[-0.984]")),
        ("PESK", "3[MS,MS:1001876,modification probability,0.8]|2[MS,MS:1001876,x,0.1]-UNIMOD:21", None,
         ("P", "E", "S+79.966", "K")),
        ("PESK", "3-CHEMMOD:+79.966", None, ("P", "E", "S+79.966", "K")),
        ("PEMK", "3-[UNIMOD, UNIMOD:35, Oxidation, ]", "null", ("P", "E", "M+15.995", "K")),
    ],
)  # fmt: skip
def test_mztab_of_casanovo_5_and_of_the_standard_is_read(tmp_path, sequence, modifications, proforma, tokens):
    path = tmp_path / "a.mztab"
    columns = ["sequence", "search_engine_score[1]", "modifications", "charge", "spectra_ref", "opt_global_aa_scores"]
    cells = [sequence, "0.9", modifications, "2", "ms_run[1]:index=0", "0.5,1.0"]
    if proforma is not None:
        columns, cells = [*columns, PROFORMA], [*cells, proforma]
    path.write_text("\t".join(["PSH", *columns]) + "\n" + "\t".join(["PSM", *cells]) + "\n")
    (psm,) = read_mztab(path)
    assert psm.peptide.tokens == tokens
    assert (psm.charge, psm.aa_scores) == (2, (0.5, 1.0))


def test_a_spectrum_id_of_experiment_and_scan_joins_by_the_scan(three, tmp_path):
    path = tmp_path / "instanovo.csv"
    path.write_text("spectrum_id,predictions,log_probs\nrun:17,PEPTIDEK,-0.1\nrun:19,SAMPLEK,-0.2\n")
    joined = join(read_psms(path), three)
    assert (sorted(joined.psms), joined.by, joined.lost) == ([0, 2], "scan", 0)


def test_the_column_that_fits_best_names_the_spectrum(three, tmp_path):
    path = tmp_path / "instanovo.csv"
    path.write_text("spectrum_id,scan_number,predictions,log_probs\na9,17,PEPTIDEK,-0.1\nb7,0018,ELVISK,-0.2\n")
    joined = join(read_psms(path), three)
    assert (sorted(joined.psms), joined.column) == ([0, 1], "scan_number")


def test_an_error_names_the_columns_that_would_join(three, tmp_path):
    from anyrank.domains.peptides.files.tables import Columns

    path = tmp_path / "instanovo.csv"
    path.write_text("spectrum_id,scan_number,predictions,log_probs\na9,17,PEPTIDEK,-0.1\nb7,18,ELVISK,-0.2\n")
    with pytest.raises(InputError, match=r"none of 2 rows.* with --columns spectrum=scan_number \(by scan\) they"):
        join(read_psms(path, columns=Columns().named("spectrum=spectrum_id")), three)


TITLES = [
    "run.17.17.2", "run.00017.00017.2", 'run.17.17. File:"run.raw", NativeID:"controllerType=0 scan=17"',
    "mzspec:PXD1:run:scan:17", "Spectrum1 scans: 17", "controllerType=0 controllerNumber=1 scan=17", "scan=0017",
    "Scan 17", "FinneganScanNumber: 17", "File1_Spectrum5_scans:17", "Scan#17", "x; scanNum: 17", "run.17.17.3.dta",
]  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_a_scan_that_stands_in_the_title_only_joins(tmp_path, title):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format(title, "CHARGE=2+") + BLOCK.format("run.99.99.2", "CHARGE=2+"))
    spectra = list(read_spectra(path))
    assert [s.scan for s in spectra] == ["17", "99"]
    for name in ("17", "scan=17", "run.17.17.2", "0017", "17.0"):
        assert sorted(join([Psm(name, parse("PEK"), 1.0)], spectra, "scan").psms) == [0]


@pytest.mark.parametrize(
    ("scans", "names"),
    [("17-17", ["17"]), ("0017", ["17"]), ("17.0", ["17"]), ("17-19", ["17", "19"]), ("17,18", ["17", "18"]),
     ("F1:0017", ["F1:17", "17"]), ("17 18", ["18"])],
)  # fmt: skip
def test_scans_as_files_write_them_join(tmp_path, scans, names):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format("a", f"CHARGE=2+\nSCANS={scans}") + BLOCK.format("b", "CHARGE=2+\nSCANS=40"))
    spectra = list(read_spectra(path))
    for name in [*names, f"scan={names[-1]}" if ":" not in names[-1] else names[-1]]:
        assert sorted(join([Psm(name, parse("PEK"), 1.0)], spectra, "scan").psms) == [0]


@pytest.mark.parametrize("rt", ["10.1-12.9", "10.1,12.9", "10.1 min", "", "soon", "nan", "inf"])
def test_a_retention_time_that_is_none_costs_itself_only(tmp_path, rt):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format("a", f"CHARGE=2+\nRTINSECONDS={rt}") + BLOCK.format("b", "CHARGE=2+\nRTINSECONDS=9.5"))
    notes, bad = [], []
    first, second = read_spectra(path, bad=bad, notes=notes)
    assert (first.rt, second.rt, bad) == (None, 9.5, [])
    assert f"run.mgf:5: spectrum 'a': its retention time {rt!r}" in str(notes[0])
    assert [s.rt for s in read_spectra(path)] == [None, 9.5]


def test_the_precursors_intensity_is_not_needed_and_its_charge_is_read(tmp_path):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format("a", "CHARGE=2+").replace("400.5", "400.5 high") + BLOCK.format("b", "").replace(
        "400.5", "400.5 99 3+"))  # fmt: skip
    assert [(s.precursor_mz, s.charge) for s in read_spectra(path)] == [(400.5, 2), (400.5, 3)]


@pytest.mark.parametrize("charge", ["", "CHARGE=", "CHARGE=0", "CHARGE=2+ and 3+", "CHARGE=2+,3+"])
def test_a_missing_charge_is_the_one_that_the_engines_row_states(tmp_path, charge):
    path = tmp_path / "run.mgf"
    path.write_text(BLOCK.format("a", charge) + BLOCK.format("b", charge) + BLOCK.format("c", "CHARGE=2+"))
    spectra = list(read_spectra(path, need_charge=False))
    assert [s.charge for s in spectra] == [0, 0, 2]
    rows = join([Psm("a", parse("PEK"), 1.0, charge=3), Psm("b", parse("PEK"), 1.0)], spectra)
    bad = []
    assert [s.charge for s in with_charges(spectra, {"x": rows}, "run.mgf", bad)] == [3, 0, 2]
    assert [str(e).partition(": ")[2] for e in bad] == ["spectrum 'b': no CHARGE (or several), and no row of an "
                                                       "engine states it"]  # fmt: skip


def test_mzml_without_a_selected_ion_has_the_isolation_windows_target(write_mzml, ideal):
    path = write_mzml([ideal("PEPTIDEK", scan="1")])
    text = path.read_text()
    start, end = text.index("<selectedIonList"), text.index("</selectedIonList>") + len("</selectedIonList>")
    window = '<isolationWindow><cvParam accession="MS:1000827" name="target" value="464.5"/></isolationWindow>'
    path.write_text(text[:start] + window + text[end:])
    (s,) = read_spectra(path, need_charge=False)
    assert (s.precursor_mz, s.charge) == (464.5, 0)
    with pytest.raises(InputError, match="no charge state"):
        list(read_spectra(path))
    path.write_text(text[:start] + text[end:])
    with pytest.raises(InputError, match=r"no selected ion m/z .* and no isolation window target"):
        list(read_spectra(path, need_charge=False))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("accession", "packed_accession", "encode", "exact"), [
    ("MS:1002312", "MS:1002746", "encode_linear", 1e-4), ("MS:1002314", "MS:1002748", "encode_slof", 0.5),
    ("MS:1002313", "MS:1002747", "encode_pic", 0.6),
])  # fmt: skip
def test_numpress_is_read(write_mzml, ideal, accession, packed_accession, encode, exact, packed):
    import base64

    pynumpress = pytest.importorskip("pynumpress")
    s = ideal("PEPTIDEK", scan="1")
    path = write_mzml([s])
    text = path.read_text()
    arguments = {"encode_linear": (1e5,), "encode_slof": (1000.0,), "encode_pic": ()}[encode]
    raw = bytes(getattr(pynumpress, encode)(np.ascontiguousarray(s.mz), *arguments))
    data = base64.b64encode(zlib.compress(raw) if packed else raw).decode()
    start = text.index("<binary>") + len("<binary>")
    text = text[:start] + data + text[text.index("</binary>") :]
    path.write_text(text.replace("MS:1000574", packed_accession if packed else accession, 1))
    (read,) = read_spectra(path)
    assert read.mz == pytest.approx(s.mz, abs=exact)


def test_mzxml_is_read(tmp_path):
    import base64

    path = tmp_path / "run.mzXML"
    peaks = base64.b64encode(np.array([100.5, 1.0, 90.5, 2.0], dtype=">f4").tobytes()).decode()
    scan = (
        '<scan num="{0}" msLevel="{1}" peaksCount="2" retentionTime="PT90.5S">{2}'
        f'<peaks precision="32" byteOrder="network" contentType="m/z-int">{peaks}</peaks></scan>'
    )
    precursor = '<precursorMz precursorIntensity="5" precursorCharge="2">400.5</precursorMz>'
    scans = [scan.format(16, 1, ""), scan.format(17, 2, precursor), scan.format(18, 2, precursor.replace("400.5", ""))]
    path.write_text(f'<?xml version="1.0"?><mzXML><msRun scanCount="3">{"".join(scans)}</msRun></mzXML>')
    bad: list[InputError] = []
    (s,) = read_spectra(path, bad=bad)
    assert (s.scan, s.index, s.charge, s.precursor_mz, s.rt) == ("17", 0, 2, 400.5, 90.5)
    assert s.mz.tolist() == [90.5, 100.5]
    assert "scan=18" in str(bad[0])


@pytest.mark.parametrize("namespace", ["http://a}b", "}", "a}b{c"])
def test_a_namespace_with_a_brace_is_told(write_mzml, ideal, namespace):
    path = write_mzml([ideal("PEK", scan="1")])
    path.write_text(path.read_text().replace("http://psi.hupo.org/ms/mzml", namespace))
    with pytest.raises(InputError, match=r"run\.mzML"):
        list(read_spectra(path))


TABLES = {
    "msms.txt": "Raw file\tScan number\tSequence\tModified sequence\tCharge\tm/z\tScore\nrun\t17\tPEMK\t"
    "_PEM(Oxidation (M))K_\t2\t253.6\t90\n",
    "novor.csv": "# input file = run.mgf\n# id, scanNum, RT, mz(data), z, pepMass(denovo), score, peptide, aaScore,\n"
    "1, 17, 9.5, 253.6, 2, 505.2, 90.5, PEM(ox)K, 1-2-3-4,\n",
    "peaks.csv": "Scan,Source File,Peptide,ALC (%),m/z,z,local confidence (%)\nF1:17,run.raw,PEM(+15.99)K,90,253.6,2,"
    "90 90 90 90\n",
    "percolator.tsv": "PSMId\tscore\tq-value\tposterior_error_prob\tpeptide\tproteinIds\nrun_17_17_2_1\t90\t0.01\t0.1"
    "\tK.PEM[147]K.R\tp1\tp2\tp3\n",
    "report.tsv": "Run\tModified.Sequence\tPrecursor.Charge\tCScore\tMS2.Scan\nrun\tPEM(UniMod:35)K\t2\t90\t17\n",
    "psm_utils.tsv": "peptidoform\tspectrum_id\trun\tscore\tprecursor_mz\nPEM[Oxidation]K/2\tscan=17\trun\t90\t253.6\n",
    "psm.tsv": "Spectrum\tPeptide\tModified Peptide\tCharge\tHyperscore\nrun.00017.00017.2\tPEMK\tPEM[147]K\t2\t90\n",
    "results.sage.tsv": "peptide\tscannr\tfilename\thyperscore\tcharge\nPEM[+15.9949]K\tscan=17\trun.mzML\t90\t2\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_engines_are_known_by_name(three, tmp_path, name):
    (tmp_path / name).write_text(TABLES[name])
    (psm,) = join(read_psms(tmp_path / name), [replace(s, precursor_mz=253.6) for s in three]).psms[0]
    assert str(psm.peptide) == "PEM+15.995K"
    assert psm.score == pytest.approx(90, abs=0.5)


def test_of_q_values_the_lower_is_better(tmp_path):
    path = tmp_path / "report.tsv"
    path.write_text("MS2.Scan\tModified.Sequence\tQ.Value\n17\tPEK\t0.04\n17\tEPK\t0.01\n")
    assert [p.score for p in read_psms(path)] == [-0.04, -0.01]


def test_the_refined_peptide_of_instanovo_plus_is_taken_and_said(tmp_path):
    path = tmp_path / "plus.csv"
    path.write_text(
        "spectrum_id,predictions,log_probabilities,final_prediction,final_log_probabilities\n17,PEK,-1,EPK,-0.5\n"
    )
    notes: list[InputError] = []
    (psm,) = read_psms(path, notes=notes)
    assert (str(psm.peptide), psm.score) == ("EPK", -0.5)
    assert str(notes[0]) == f"{path}:1: peptides are read from 'final_prediction', not from predictions"


def test_spectra_of_several_runs_are_told_apart(three):
    spectra = [replace(s, run=run) for run in ("one", "two") for s in three]
    rows = [Psm("17", parse("PEK"), 1.0, run="two.raw"), Psm("one.18.18.2", parse("PEK"), 1.0)]
    assert sorted(join(rows, spectra, "scan").psms) == [1, 3]
    bad: list[InputError] = []
    join([*rows, Psm("19", parse("PEK"), 1.0)], spectra, "scan", bad)
    assert "several spectra are named '19' (looked up by scan), of several runs: give the engine's file for" in str(
        bad[0]
    )


def test_titles_in_quotation_marks_join(three, tmp_path):
    titles = ('"run A"  17', "['b']", "c")
    spectra = [replace(s, title=title, scan="", index=9 - i) for i, (s, title) in enumerate(zip(three, titles))]
    with open(tmp_path / "engine.csv", "w", newline="") as file:
        rows = [["title", "sequence", "score"], *([title, "PEK", 1.0] for title in titles)]
        csv.writer(file).writerows(rows)
    assert sorted(join(read_psms(tmp_path / "engine.csv"), spectra).psms) == [0, 1, 2]
    alike = [replace(s, title=title) for s, title in zip(spectra, ("'c'", "a", "c"))]
    with pytest.raises(InputError, match=r"engine.csv:4: several spectra are named 'c'"):
        join(list(read_psms(tmp_path / "engine.csv"))[2:], alike)
