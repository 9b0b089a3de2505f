"""``anyrank peptides``, as a user calls it."""

import json

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError

pytest.importorskip("pyteomics")

from anyrank.domains.peptides.files.mztab import read_mztab
from anyrank.domains.peptides.ions import by_ions
from anyrank.domains.peptides.notation import parse

TRUE = ["PEPTIDEK", "ELVISK", "M[Oxidation]AGICK".replace("C", "")]
OTHER = ["PEPTIDEK", "EVLISK", "M[Oxidation]GAIK"]


def call(*args):
    result = CliRunner().invoke(cli, ["peptides", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def files(tmp_path):
    blocks = []
    for i, text in enumerate(TRUE):
        p = parse(text)
        peaks = "".join(f"{mz} {1 + j}\n" for j, mz in enumerate(sorted(by_ions(p, 2).tolist())))
        blocks.append(f"BEGIN IONS\nTITLE=s{i}\nPEPMASS={p.mz(2)}\nCHARGE=2+\nSEQ={text}\n{peaks}END IONS\n")
    (tmp_path / "run.mgf").write_text("".join(blocks))
    for name, peptides in (("good", TRUE), ("other", OTHER)):
        rows = "".join(f"s{i},{text},{0.9 - i / 10}\n" for i, text in enumerate(peptides))
        (tmp_path / f"{name}.csv").write_text("spectrum_id,denovo_seq,peptide_score\n" + rows)
    return ["--spectra", tmp_path / "run.mgf", "--engine", f"bad={tmp_path / 'other.csv'}",
            "--engine", f"good={tmp_path / 'good.csv'}"]  # fmt: skip


def test_rerank_chooses_what_the_spectrum_shows(files, tmp_path):
    out = tmp_path / "best.mztab"
    done = call("rerank", *files, "-o", out, "--json")
    summary = json.loads(done.stdout)
    assert done.return_value == 0
    assert (summary["spectra"], summary["candidates"], summary["changed"], summary["rows written"]) == (3, 5, 2, 3)
    assert "chose another than the engines' first for 2" in done.stderr
    assert [p.peptide for p in read_mztab(out)] == [parse(t) for t in TRUE]
    call("rerank", *files, "-o", out, "--method", "engine:bad", "-k", 9)
    assert [str(p.peptide) for p in read_mztab(out)][:3] == ["PEPTIDEK", "EVLISK", "ELVISK"]


def test_one_candidate_for_each_spectrum_leaves_no_choice_and_is_told(files, tmp_path):
    told = "no spectrum has more than one candidate"
    assert told in call("rerank", *files[:4], "-o", tmp_path / "best.mztab").stderr
    assert told in call("eval", *files[:4], "--method", "cosine").stderr
    assert told not in call("eval", *files, "--method", "cosine").stderr


def test_eval_tables_json_and_html(files, tmp_path):
    page = tmp_path / "report.html"
    result = json.loads(call("eval", *files, "--method", "cosine", "--html", page, "--json").stdout)
    assert result["oracle"] == 1.0
    assert {m: v["exact"] for m, v in result["methods"].items()} == {
        "engine:bad": pytest.approx(1 / 3), "engine:good": 1.0, "cosine": 1.0,
    }  # fmt: skip
    low, high = result["intervals"]["engine:bad"]["exact"]
    assert low < 1 / 3 < high
    html = page.read_text()
    assert html.startswith("<!doctype html>")
    assert "the true peptide is among the candidates of 100.0%" in html
    assert html.count("<svg") == 3 + 2 + 3  # whiskers, curves, spectra
    assert "@sections@" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    table = call("eval", *files).stdout
    assert "hyperscore" in table
    assert "lightgbm" not in table


def test_what_is_lost_is_named_and_the_rest_is_done(files, tmp_path):
    with open(tmp_path / "run.mgf", "a") as f:
        f.write("BEGIN IONS\nTITLE=s3\nPEPMASS=4\nEND IONS\n")
    with open(tmp_path / "other.csv", "a") as f:
        f.write("s0,PEPUK,0.1\n" + "s9,PEK,0.1\n" * 7)
    done = call("rerank", *files, "-o", tmp_path / "best.mztab", "--problems", tmp_path / "lost.txt", "--json")
    assert done.return_value == 1
    assert json.loads(done.stdout)["problems"] == {"spectra": 1, "bad": 8, "good": 0}
    assert "spectrum 's3': no CHARGE" in done.stderr
    assert "other.csv:5: unknown residue 'U'" in done.stderr
    assert "and 3 more of bad" in done.stderr
    assert len((tmp_path / "lost.txt").read_text().splitlines()) == 9


def test_a_reranking_is_reported_as_a_page(files, tmp_path):
    with open(tmp_path / "other.csv", "a") as f:
        f.write("s0,PEPUK,0.1\n" + "s9,PEK,0.1\n" * 7 + "s1,VELISK,0.2\n" + "s1,LEVISK,0.1\n")
    page = tmp_path / "report.html"
    done = call("rerank", *files, "-o", tmp_path / "best.mztab", "--html", page)
    assert done.return_value == 1
    assert f"wrote {page}" in done.stderr
    html = page.read_text()
    assert "Peptides of run.mgf, reranked" in html
    assert (
        "3 spectra, 3 with candidates (7 in all), ranked by hyperscore; the first choice changed for 2 (66.7%)." in html
    )
    assert "other.csv:5: unknown residue &#39;U&#39;" in html
    assert "and 3 more" in html
    assert '<option value="0">' in html
    assert "s1: ELVISK, was EVLISK" in html
    assert html.count("<svg") == 1 + 1 + 3 + 1  # errors; a rival; a former first and two more rivals; an unchanged one
    assert "ELVISK (right)" in html
    assert "the engines&#39; first (wrong)" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    call("rerank", *files, "-o", tmp_path / "best.mztab", "--method", "engine:bad", "--html", page)
    assert "None changed." in page.read_text()


def test_a_reranking_of_nothing_is_reported(files, tmp_path):
    (tmp_path / "few.csv").write_text("spectrum_id,denovo_seq,peptide_score\ns0,,0.5\ns1,PEK,0.5\n")
    page, out = tmp_path / "report.html", tmp_path / "best.mztab"
    call("rerank", *files[:2], "--engine", f"few={tmp_path / 'few.csv'}", "-o", out, "--html", page)
    assert "3 spectra, 1 with candidates (1 in all)" in page.read_text()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--engine", "x.csv"], "expected NAME=FILE, as in casanovo=x.csv"),
        (["--engine", "bad=y.csv"], "names 'bad' twice"),
        (["--columns", "nobody:score=p"], "nobody:…: no engine of that name; there are bad, good"),
        (["--columns", "bad:scor=p"], "NAME one of spectrum"),
        (["--engine", "spectra=x.csv"], "choose another name"),
        (["--engine", "truth=x.csv"], "choose another name"),
        (["--residue", "absent.txt"], "neither a definition as S.Phospho.=166.998 nor a file"),
        (["--residue", "S[Phospho]=heavy"], "expected LETTER"),
        (["--precursor", "near"], "20ppm"),
        (["--model", "cosine=m"], "the method cosine needs no model"),
        (["--model", "a", "--model", "b"], "say which is whose"),
        (["--spectra", "run.mgf"], "two files of spectra with that name"),
        (["--confidence", "absent.json"], "can.t be read"),
        (["--fixed", "C"], "'C': unknown residue; choose one of C.57.021"),
        (["--method", "best"], "no method 'best'"),
        (["--tolerance", "wide"], "20ppm"),
        (["--method", "lightgbm"], "--model"),
    ],
)
def test_wrong_options_are_told(files, tmp_path, extra, message):
    with pytest.raises(InputError, match=message):
        call("rerank", *files, "-o", tmp_path / "b.mztab", *extra)
    assert not (tmp_path / "b.mztab").exists()


def test_named_columns_and_spectra_without_annotation(files, tmp_path):
    (tmp_path / "third.csv").write_text("spec,pep,conf\n0,PEPTIDER,0.9\n")
    more = ["--engine", f"third={tmp_path / 'third.csv'}", "--columns", "third:spectrum=spec,sequence=pep,score=conf"]
    summary = json.loads(call("rerank", *files, *more, "-o", tmp_path / "b.mztab", "--json").stdout)
    assert summary["engines"]["third"] == 1
    bare = "".join(x for x in (tmp_path / "run.mgf").read_text().splitlines(True) if not x.startswith("SEQ"))
    (tmp_path / "run.mgf").write_text(bare)
    with pytest.raises(InputError, match="none of the spectra is annotated"):
        call("eval", *files)


def test_files_without_anything_to_rank_are_told(files, tmp_path):
    out = ["-o", tmp_path / "b.mztab"]
    with pytest.raises(InputError, match="choose one of engine:bad, engine:good, cosine"):
        call("eval", *files, "--method", "cosine", "--draw", "best")
    (tmp_path / "far.csv").write_text("spectrum_id,denovo_seq,peptide_score,precursor_mz\ns1,PEK,0.5,9.0\n")
    with pytest.raises(InputError, match=r"far.csv:2: none of 1 rows fits its spectrum; .* another file's"):
        call("rerank", *files, "--engine", f"far={tmp_path / 'far.csv'}", *out)
    text = (tmp_path / "run.mgf").read_text()
    (tmp_path / "run.mgf").write_text(text.replace("CHARGE=2+", ""))
    with pytest.raises(InputError, match=r"run.mgf: none of 3 spectra can be used"):
        call("rerank", *files, *out)
    (tmp_path / "run.mgf").write_text(text.replace("SEQ=", "NAME="))
    for kind in ("reranker", "engine", "lightgbm"):
        with pytest.raises(InputError, match=r"run.mgf: none of the spectra is annotated"):
            call("train", *files, "--kind", kind, *out) if kind != "engine" else call(
                "train", *files[:2], "--kind", kind, *out
            )
    assert not (tmp_path / "b.mztab").exists()


def test_losses_of_a_training_are_exit_code_one(files, tmp_path):
    pytest.importorskip("lightgbm")
    with open(tmp_path / "run.mgf", "a") as f:
        f.write("BEGIN IONS\nTITLE=s3\nPEPMASS=4\nEND IONS\n" * 3)
    assert call("train", *files[:2], "--kind", "lightgbm", "--valid", 0, "-o", tmp_path / "m").return_value == 1
    assert (
        "held out: none was" in call("train", *files, "--kind", "lightgbm", "--valid", 0, "-o", tmp_path / "m").stderr
    )


def test_methods_are_listed():
    listing = call("methods").stdout
    assert "hyperscore" in listing
    assert "engine:NAME" in listing
