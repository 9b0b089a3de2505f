"""Boosted trees: trained, measured on other peptides, kept in a file, and used by the commands."""

import json
import sys

import pytest
from click.testing import CliRunner

pytest.importorskip("pyteomics")

from anyrank.cli import cli
from anyrank.core.errors import InputError, MissingExtra
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.boosted_training import train_trees
from anyrank.domains.peptides.corrupt import corrupted, practice
from anyrank.domains.peptides.features import names
from anyrank.domains.peptides.judges import reranker
from anyrank.domains.peptides.matching import Tolerance
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.methods import Setting, stage
from anyrank.domains.peptides.psm import Psm, join
from anyrank.domains.peptides.simulate import simulated


def call(*args):
    result = CliRunner().invoke(cli, ["peptides", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def spectra():
    return simulated(40, seed=2)


@pytest.fixture(scope="module")
def engines(spectra):
    """One that is right for every second spectrum, its score telling nothing, and one that is right by its score."""
    odd, other = [], []
    for i, s in enumerate(spectra):
        wrong = corrupted(s.peptide, 2, i)
        odd.append(Psm(s.name, wrong[0] if i % 2 else s.peptide, 0.5))
        other += [Psm(s.name, wrong[1], 0.1), Psm(s.name, s.peptide, 0.9 if i % 3 else 0.05)]
    return {"odd [1]": join(odd, spectra), "other": join(other, spectra)}


def test_a_file_of_trees_ranks_as_they_do(spectra, tmp_path):
    pytest.importorskip("lightgbm")
    rankings = practice(spectra, 8)
    truths = [r.query.content.peptide for r in rankings]
    trees = Boosted.fit(rankings, truths, (), rounds=20, tolerance=Tolerance.of("10ppm"))
    out = reranker(trees, "trees").batch(rankings)
    assert sum(r[0].id == t.key for r, t in zip(out, truths)) >= 36
    trees.save(tmp_path / "m.json")
    setting = Setting(("any", "engine"), rankings, model=str(tmp_path / "m.json"))
    assert [r.ids for r in stage("lightgbm", setting).batch(rankings)] == [r.ids for r in out]
    again = Boosted.load(tmp_path / "m.json", ())
    assert again.tolerance == Tolerance(10.0, "ppm")
    assert again.facts == {"spectra": 40, "candidates": 320, "right": 40, "trees": 20}
    with pytest.raises(InputError, match="both right and wrong"):
        Boosted.fit([r[:0] for r in rankings], truths, ())


def test_trees_know_engines_by_any_name_and_ask_for_them(spectra, engines, tmp_path):
    pytest.importorskip("lightgbm")
    rankings = merge(spectra, engines)
    done = train_trees(rankings, tuple(engines), valid=0.25, rounds=30)
    assert done.spectra == 10
    assert set(done.exact) == {"lightgbm", "hyperscore", "as given", "among the candidates"}
    assert done.exact["among the candidates"] == 1.0
    assert done.exact["lightgbm"] > done.exact["as given"]
    assert done.trees.facts["spectra"] == 30
    assert done.trees.facts["held out"]["exact"] == done.exact
    weights = done.trees.weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert set(weights) <= set(names(tuple(engines)))
    done.trees.save(tmp_path / "m.json")
    assert Boosted.load(tmp_path / "m.json", ["new", *engines]).engines == tuple(engines)
    with pytest.raises(InputError, match=r"engine 'odd \[1\]', given are other: name its output --engine"):
        Boosted.load(tmp_path / "m.json", ("other",))
    assert train_trees(rankings, valid=0.0, rounds=5).exact == {}
    with pytest.raises(InputError, match="SEQ=PEPTIDE"):
        train_trees([])


@pytest.mark.parametrize("text", ["tree\nversion=v4\n", "[1]", '{"kind": "other"}', ""])
def test_files_that_are_no_trees_are_named(tmp_path, text):
    pytest.importorskip("lightgbm")
    (tmp_path / "m").write_text(text)
    with pytest.raises(InputError, match=r"m: not a file of 'anyrank peptides train --kind lightgbm'"):
        Boosted.load(tmp_path / "m", ())
    with pytest.raises(InputError, match="absent: can't be read"):
        Boosted.load(tmp_path / "absent", ())


def test_trees_of_another_version_are_refused(spectra, tmp_path):
    pytest.importorskip("lightgbm")
    rankings = practice(spectra[:20], 4)
    Boosted.fit(rankings, [r.query.content.peptide for r in rankings], (), rounds=2).save(tmp_path / "m")
    record = json.loads((tmp_path / "m").read_text())
    record["features"][0] = "weight"
    (tmp_path / "m").write_text(json.dumps(record))
    with pytest.raises(InputError, match="train again"):
        Boosted.load(tmp_path / "m", ())


def test_the_commands_train_and_use_trees(spectra, write_mgf, tmp_path):
    pytest.importorskip("lightgbm")
    run = write_mgf(spectra)
    rows = []
    for i, s in enumerate(spectra):
        wrong = corrupted(s.peptide, 1, i)[0]
        rows += [f"{s.title},{wrong},0.9", f"{s.title},{s.peptide},0.5"]
    (tmp_path / "a.csv").write_text("spectrum_id,denovo_seq,peptide_score\n" + "\n".join(rows) + "\n")
    common = ["--spectra", run, "--engine", f"a={tmp_path / 'a.csv'}"]
    trees = ["--kind", "lightgbm", "--rounds", 20, "--valid", 0.2]
    done = call("train", *common, *trees, "-o", tmp_path / "m.json")
    assert done.return_value == 0
    assert "exact peptides of the spectra held out: lightgbm" in done.stderr
    assert "the most important features: " in done.stderr
    ranked = call(
        "rerank", *common, "--method", "lightgbm", "--model", tmp_path / "m.json", "-o", tmp_path / "b.mztab", "--json"
    )
    assert json.loads(ranked.stdout)["changed"] > 30
    call("train", "--spectra", run, *trees, "--candidates", 4, "-o", tmp_path / "made.json")
    assert json.loads((tmp_path / "made.json").read_text())["engines"] == []
    for extra, message in (
        (["--width", 8], "--width has no effect with --kind lightgbm"),
        (["--spectra", run], "two files of spectra with that name"),
        (["--engine-columns", "b:score=x"], "no engine of that name; there are a"),
    ):
        with pytest.raises(InputError, match=message):
            call("train", *common, *trees, *extra, "-o", tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
    with pytest.raises(InputError, match="--engine has no effect with --kind engine"):
        call("train", *common, "--kind", "engine", "-o", tmp_path / "x")


def test_without_lightgbm_the_extra_is_named(monkeypatch, spectra, write_mgf, tmp_path):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtra, match=r"'lightgbm'.*anyrank\[lightgbm\]"):
        call("train", "--kind", "lightgbm", "--spectra", write_mgf(spectra), "-o", tmp_path / "m.json")
