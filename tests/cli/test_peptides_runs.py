"""``anyrank peptides`` over several runs, with known peptides from a file, and with engines of another run."""

import csv
import json

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError

pytest.importorskip("pyteomics")

from anyrank.domains.peptides.corrupt import corrupted
from anyrank.domains.peptides.files.mztab import read_mztab
from anyrank.domains.peptides.ions import by_ions
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.simulate import simulated

RUNS = {"one": ["PEPTIDEK", "ELVISK", "GASPVK"], "two": ["SAMPLEK", "M[Oxidation]AGIK", "GASPEK"]}


def call(*args):
    result = CliRunner().invoke(cli, ["peptides", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def blocks(peptides, annotated=True, charge="2+", title="s{}"):
    out = []
    for i, text in enumerate(peptides):
        p = parse(text, fixed={"C": "C"})
        peaks = "".join(f"{mz} {1 + j}\n" for j, mz in enumerate(sorted(by_ions(p, 2).tolist())))
        seq = f"SEQ={text}\n" if annotated else ""
        head = f"TITLE={title.format(i)}\nPEPMASS={p.mz(2)}\nSCANS={i + 1}\n"
        out.append(f"BEGIN IONS\n{head}" + (f"CHARGE={charge}\n" if charge else "") + f"{seq}{peaks}END IONS\n")
    return "".join(out)


def table(path, rows, head="scan_number,denovo_seq,peptide_score"):
    path.write_text(head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture
def runs(tmp_path):
    for name, peptides in RUNS.items():
        (tmp_path / f"{name}.mgf").write_text(blocks(peptides))
    return [x for name in RUNS for x in ("--spectra", tmp_path / f"{name}.mgf")]


def test_several_runs_are_one_call_and_one_mztab(runs, tmp_path):
    files = [table(tmp_path / f"{n}.csv", [(i, t, 0.5) for i, t in enumerate(RUNS[n], 1)]) for n in RUNS]
    out = tmp_path / "best.mztab"
    engines = [x for f in files for x in ("--engine", f"a={f}")]
    done = call("rerank", *runs, *engines, "-o", out, "--json")
    assert (done.return_value, json.loads(done.stdout)["spectra"]) == (0, 6)
    text = out.read_text()
    assert "ms_run[1]-location\tfile://" in text
    assert text.count("ms_run[2]:index=") == 3
    assert [str(p.peptide) for p in read_mztab(out)] == [str(parse(t)) for texts in RUNS.values() for t in texts]
    # the mzTab that lists both runs is an engine's output for both
    again = call("eval", *runs, "--engine", f"a={out}", "--method", "hyperscore", "--json")
    assert json.loads(again.stdout)["methods"]["engine:a"]["exact"] == 1.0
    with pytest.raises(InputError, match="3 files for 2 files of spectra"):
        call("rerank", *runs, *engines, "--engine", f"a={files[0]}", "-o", out)


def test_one_table_with_a_column_of_runs_serves_all(runs, tmp_path):
    rows = [(f"{name}.raw", i, t, 0.5) for name, texts in RUNS.items() for i, t in enumerate(texts, 1)]
    file = table(tmp_path / "all.csv", rows, "run,scan_number,denovo_seq,peptide_score")
    done = call("eval", *runs, "--engine", f"a={file}", "--method", "hyperscore", "--json")
    assert json.loads(done.stdout)["methods"]["engine:a"]["exact"] == 1.0
    assert done.return_value == 0


def test_another_runs_output_is_a_failing_exit_code(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks([*RUNS["one"], *RUNS["two"]]))
    peptides = [*RUNS["one"], *RUNS["two"]]
    shifted = table(tmp_path / "a.csv", [(i, t, 0.5) for i, t in enumerate(peptides[1:] + peptides[:1], 1)])
    common = ["--spectra", tmp_path / "run.mgf", "--engine", f"a={shifted}"]
    for command in (["rerank", *common, "-o", tmp_path / "b.mztab"], ["eval", *common, "--method", "cosine"]):
        done = call(*command)
        assert done.return_value == 1
        assert "6 of 6 peptides of engine a don't fit their precursor: another run's file?" in done.stderr
    right = table(tmp_path / "b.csv", [(i, t, 0.5) for i, t in enumerate(peptides, 1)])
    done = call("rerank", *common[:2], "--engine", f"a={right}", "-o", tmp_path / "b.mztab")
    assert done.return_value == 0
    assert "another run" not in done.stderr


def test_a_choice_off_its_precursor_is_marked_in_the_file_and_the_page(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks(["PEPTIDEK", "ELVISK", "GASPVK", "SAMPLEK"]))
    file = table(
        tmp_path / "a.csv", [(1, "PEPTIDEKK", 0.9), (1, "PEPTIDEK", 0.5), (2, "ELVISKK", 0.5), (3, "GASPVK", 1)]
    )
    out, page = tmp_path / "b.mztab", tmp_path / "b.html"
    common = ["rerank", "--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "-o", out]
    done = call(*common, "--method", "engine:a", "--html", page)
    assert [str(p.peptide) for p in read_mztab(out)] == ["PEPTIDEK", "ELVISKK", "GASPVK"]
    assert "1 of 3 choices are over 50 ppm off their precursor" in done.stderr
    head, *rows = [x.split("\t") for x in out.read_text().splitlines() if x[:3] in ("PSH", "PSM")]
    assert [r[head.index("opt_global_precursor_fits")] for r in rows] == ["1", "0", "1"]
    assert 'style="color:var(--loss)"' in page.read_text()
    assert "Mass errors of the choices" in page.read_text()
    call(*common, "--method", "engine:a", "--off-precursor", "keep")
    assert [str(p.peptide) for p in read_mztab(out)] == ["PEPTIDEKK", "ELVISKK", "GASPVK"]
    summary = json.loads(call(*common, "--method", "engine:a", "--off-precursor", "drop", "--json").stdout)
    assert (summary["rows written"], summary["with candidates"]) == (2, 2)
    call(*common, "--method", "engine:a", "--precursor", "200Da")
    assert [str(p.peptide) for p in read_mztab(out)] == ["PEPTIDEKK", "ELVISKK", "GASPVK"]


def test_the_file_has_engines_scores_ranks_titles_and_proforma(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks(["PEPTIDEK", "M[Oxidation]EK"], title="run.{0}.{0}.2"))
    rows = [(1, "PEPTIDEK", 0.5, '"[0.1, 0.2]"'), (1, "EPPTIDEK", 0.4, ""), (2, "M[Oxidation]EK", 0.9, "")]
    first = table(tmp_path / "a.csv", rows, "scan_number,denovo_seq,peptide_score,aa_scores")
    second = table(tmp_path / "b.csv", [(1, "EPPTIDEK", -2.5)])
    out = tmp_path / "best.mztab"
    engines = ["--engine", f"a={first}", "--engine", f"b={second}"]
    call("rerank", "--spectra", tmp_path / "run.mgf", *engines, "-o", out, "-k", 2)
    head, *cells = [x.split("\t") for x in out.read_text().splitlines() if x[:3] in ("PSH", "PSM")]
    rows = [dict(zip(head, r)) for r in cells]
    assert [r["opt_global_rank"] for r in rows] == ["1", "2", "1"]
    assert [(r["search_engine_score[3]"], r["search_engine_score[4]"]) for r in rows] == [
        ("0.5", "null"), ("0.4", "-2.5"), ("0.9", "null"),
    ]  # fmt: skip
    assert rows[0]["opt_global_spectrum_title"] == "run.0.0.2"
    assert (rows[0]["opt_global_scan"], rows[0]["opt_global_aa_scores"]) == ("1", "0.1,0.2")
    proforma = "opt_global_cv_MS:1003169_proforma_peptidoform_sequence"
    assert [r[proforma] for r in rows] == ["PEPTIDEK", "EPPTIDEK", "M[Oxidation]EK"]
    assert "opt_global_proforma" not in out.read_text()
    assert (
        "psm_search_engine_score[4]\t[MS, MS:1001143, search engine specific score for PSMs, score of the engine b]"
        in (out.read_text())
    )


def test_true_peptides_from_a_file_evaluate_and_train(tmp_path):
    pytest.importorskip("lightgbm")
    spectra = simulated(40, seed=2)
    (tmp_path / "run.mgf").write_text(blocks([s.peptide.proforma for s in spectra], annotated=False))
    truth = tmp_path / "psms.tsv"
    truth.write_text("scan\tpeptide\n" + "".join(f"{i}\t{s.peptide.proforma}\n" for i, s in enumerate(spectra, 1)))
    rows = [
        (i, p, v) for i, s in enumerate(spectra, 1) for p, v in ((corrupted(s.peptide, 1)[0], 0.9), (s.peptide, 0.5))
    ]
    file = table(tmp_path / "a.csv", rows)
    common = ["--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "--truth", truth]
    result = json.loads(call("eval", *common, "--method", "hyperscore", "--json").stdout)
    assert (result["spectra"], result["oracle"]) == (40, 1.0)
    assert (result["methods"]["engine:a"]["exact"], result["methods"]["hyperscore"]["exact"]) == (0.0, 1.0)
    assert result["best engine"] == "engine:a"
    assert result["differences"]["hyperscore"]["exact"] == 1.0
    low, high = result["difference intervals"]["hyperscore"]["exact"]
    assert (low, high) == (1.0, 1.0)
    model = tmp_path / "m.json"
    call("train", *common, "--kind", "lightgbm", "--rounds", 10, "--valid", 0.2, "-o", model)
    done = call("eval", *common, "--method", "lightgbm", "--model", f"lightgbm={model}")
    assert "lightgbm was trained on the peptides of 32 of the 40 spectra: its figures are no measurement" in done.stderr
    assert "differences from engine:a, the best engine alone (paired)" in done.stdout
    with pytest.raises(InputError, match="needs trained trees"):
        call("eval", *common, "--method", "lightgbm", "--model", f"ranknovo={model}")


def test_a_confidence_is_calibrated_on_known_peptides_and_used_for_others(tmp_path):
    spectra = simulated(80, seed=4)
    texts = [s.peptide.proforma for s in spectra]
    (tmp_path / "known.mgf").write_text(blocks(texts))
    (tmp_path / "run.mgf").write_text(blocks(texts, annotated=False))
    rows = [
        (i, corrupted(s.peptide, 1, i)[0] if i % 2 else s.peptide, i % 2 / 2 + i / 200)
        for i, s in enumerate(spectra, 1)
    ]
    file = table(tmp_path / "a.csv", rows)
    engine = ["--engine", f"a={file}"]
    made = call("calibrate", "--spectra", tmp_path / "known.mgf", *engine, "-o", tmp_path / "c.json", "--json")
    facts = json.loads(made.stdout)
    assert (facts["spectra"], facts["right"]) == (80, 40)
    assert facts["auc by confidence"] > max(0.8, facts["auc by score"])
    out = tmp_path / "best.mztab"
    for spectra_file, more, about in (
        ("run.mgf", ["--confidence", tmp_path / "c.json"], "confidence calibrated by c.json"),
        ("known.mgf", [], "confidence calibrated on 80 annotated spectra"),
        ("run.mgf", [], "agreement of the engines"),
    ):
        done = call("rerank", "--spectra", tmp_path / spectra_file, *engine, "-o", out, "--json", *more)
        summary = json.loads(done.stdout)
        assert about in summary["confidence"]
        assert bool(summary["thresholds"]) == ("calibrated on" in about or "calibrated by" in about)
        assert all(0 <= p.score <= 1 for p in read_mztab(out))


def test_features_for_other_rescorers(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks(["PEPTIDEK", "M[Oxidation]EK"]))
    file = table(tmp_path / "a.csv", [(1, "PEPTIDEK", 0.5), (1, "EPPTIDEK", 0.4), (2, "M[Oxidation]EK", 0.9)])
    pin, tsv = tmp_path / "a.pin", tmp_path / "a.tsv"
    common = ["--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "-o", tmp_path / "b.mztab"]
    call("rerank", *common, "--pin", pin, "--ms2rescore", tsv)
    with open(pin) as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    assert [(r["ScanNr"], r["Label"], r["Peptide"]) for r in rows] == [
        ("1", "1", "-.PEPTIDEK.-"), ("1", "1", "-.EPPTIDEK.-"), ("2", "1", "-.M[Oxidation]EK.-"),
    ]  # fmt: skip
    assert len({r["SpecId"] for r in rows}) == 3
    protonated = parse("PEPTIDEK").mass + 1.00728
    assert [float(rows[0][x]) for x in ("ExpMass", "CalcMass")] == pytest.approx([protonated] * 2, abs=1e-4)
    assert all(float(v) == float(v) for r in rows for k, v in r.items() if k not in ("SpecId", "Peptide", "Proteins"))
    with open(tsv) as f:
        table_rows = list(csv.DictReader(f, delimiter="\t"))
    assert [(r["peptidoform"], r["spectrum_id"], r["run"], r["rank"]) for r in table_rows][:2] == [
        ("PEPTIDEK/2", "s0", "run", "1"), ("EPPTIDEK/2", "s0", "run", "2"),
    ]  # fmt: skip
    assert float(table_rows[0]["rescoring:hyperscore"]) > float(table_rows[1]["rescoring:hyperscore"])


def test_charges_come_from_the_engines_rows(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks(RUNS["one"], charge=""))
    rows = [(i, t, 0.5, 2 if i < 3 else "") for i, t in enumerate(RUNS["one"], 1)]
    file = table(tmp_path / "a.csv", rows, "scan_number,denovo_seq,peptide_score,precursor_charge")
    done = call("rerank", "--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "-o", tmp_path / "b.mztab")
    assert done.return_value == 1
    assert "spectrum 's2': no CHARGE (or several), and no row of an engine states it" in done.stderr
    assert [str(p.peptide) for p in read_mztab(tmp_path / "b.mztab")] == RUNS["one"][:2]


def test_a_tolerance_that_is_too_narrow_is_hinted_at(tmp_path):
    text = blocks(RUNS["one"])
    moved = "".join(
        f"{float(x.split()[0]) + 0.2} {x.split()[1]}\n" if x[0].isdigit() else x for x in text.splitlines(True)
    )
    (tmp_path / "run.mgf").write_text(moved)
    file = table(tmp_path / "a.csv", [(i, t, 0.5) for i, t in enumerate(RUNS["one"], 1)])
    common = ["rerank", "--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "-o", tmp_path / "b.mztab"]
    assert "the median share of matched ions is 0.00 at 20ppm (at 0.5Da 1.00: ion-trap" in call(*common).stderr
    assert "the median share of matched ions is 1.00 at 0.5Da\n" in call(*common, "--tolerance", "0.5Da").stderr


def test_residues_of_ones_own_are_read_from_options_and_files(tmp_path):
    (tmp_path / "run.mgf").write_text(blocks(["PEPTIDEK", "ELVISK", "GASPVK"]))
    (tmp_path / "residues.txt").write_text("# mine\nS[heavy tag]=300.5\n\nU=150.954\n")
    file = table(tmp_path / "a.csv", [(1, "PEPTIDEK", 1), (2, "GUS[Heavy Tag]K", 1), (3, "AC", 1)])
    common = ["rerank", "--spectra", tmp_path / "run.mgf", "--engine", f"a={file}", "-o", tmp_path / "b.mztab"]
    done = call(*common, "--residue", tmp_path / "residues.txt", "--residue", "C=103.009")
    assert "warning: 2 of 3" not in done.stderr
    text = (tmp_path / "b.mztab").read_text()
    assert "GUS[+213.4680]K" in text
    assert "3-CHEMMOD:+213.4680" in text
    assert [len(p.peptide) for p in read_mztab(tmp_path / "b.mztab", fixed={"U": "U"})] == [8, 4, 2]
    assert "a.csv:3: unknown residue 'U'" in call(*common).stderr
