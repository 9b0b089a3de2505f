"""The reranker over candidates and spectra, its training, the base engine, and the commands of both."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("pyteomics")

import torch

from anyrank.cli import cli
from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.judges import reranker
from anyrank.domains.peptides.methods import Setting, stage
from anyrank.domains.peptides.neural.base_engine import CHOICES, BaseEngine, completable
from anyrank.domains.peptides.neural.engine_training import EnginePlan, train_engine
from anyrank.domains.peptides.neural.groups import Practice, Simulated, group_of, placeholders, trainable, true_groups
from anyrank.domains.peptides.neural.ranknovo import RankNovo, is_residue
from anyrank.domains.peptides.neural.training import SMALL, Deviations, Pace, Plan, Targets, train
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.psm import join
from anyrank.domains.peptides.residues import WATER
from anyrank.domains.peptides.simulate import simulated
from anyrank.domains.peptides.split import split_by_peptide
from anyrank.models.axial import Axial
from anyrank.models.parts.alignment import CLS, GAP, PAD
from anyrank.models.parts.spectra import candidate_tensors, spectra_tensors
from anyrank.testing import check_judge, check_stage
from anyrank.train.losses import LOSSES
from anyrank.train.objective import Objective

TINY = replace(SMALL, width=32, ffn=32, positions=24, peaks=60)
QUICK = Pace(rounds=1, batch=8)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def spectra():
    return simulated(24, seed=1)


@pytest.fixture
def judge():
    torch.manual_seed(0)
    return RankNovo(Axial(TINY).eval(), batch=5)


def groups(spectra, n=6):
    ranked = practice(spectra, n)
    ragged = [r[: 1 + i % n] for i, r in enumerate(ranked)]
    return [(r.query, list(r)) for r in ragged]


def test_the_reranker_keeps_the_contracts(judge, spectra):
    check_judge(judge, groups(spectra[:9]))
    check_stage(reranker(judge, "ranknovo"), [*practice(spectra[:5]), Ranking(Query("none", spectra[5]))])


def test_scores_are_predicted_distances_and_usage_is_counted(judge, spectra):
    (query, members) = groups(spectra[:6])[5]
    (judgement,) = judge([(query, members)])
    inputs = spectra_tensors([query.content], TINY.peaks) | candidate_tensors([[c.content for c in members]])
    with torch.no_grad():
        pmd, rmd = judge.model.predict(**inputs)
    assert judgement.scores == pytest.approx((-pmd[0]).tolist(), abs=1e-5)
    assert judgement.usage.calls == 1
    assert judgement.usage.prompt_tokens == inputs["tokens"].numel() + inputs["mz"].shape[1]
    worst = (rmd.abs() * is_residue(inputs["tokens"]))[0].amax(-1)
    by_residue = RankNovo(judge.model, by="rmd")([(query, members)])[0].scores
    assert by_residue == pytest.approx((-worst).tolist(), abs=1e-5)
    crowded = replace(query.content, mz=np.linspace(100, 400, 90), intensity=np.ones(90))
    assert judge([(Query("q", crowded), members)])[0].usage.truncated == 1


def test_a_spectrum_without_peaks_is_judged(judge, spectra):
    query, members = groups(spectra[:6])[5]
    blank = replace(query.content, mz=np.zeros(0), intensity=np.zeros(0))
    check_judge(judge, [(Query("blank", blank), members), (query, members)])


def test_candidates_too_long_are_told(judge, spectra):
    query, members = groups(spectra[:6])[5]
    long = Candidate("long", parse("G" * 30))
    out = reranker(judge, "r")(Ranking(query, (long, *members)))
    assert out.ids[-1] == "long"
    assert "longer than 23" in out.trace[-1].notes[0]
    assert out.status == "repaired"
    with pytest.raises(InputError, match="by='best'"):
        RankNovo(judge.model, by="best")


def test_tensors_are_padded_apart_from_gaps(spectra):
    tensors = candidate_tensors([[parse("GAK"), parse("K")], [parse("PEPTIDE")]])
    assert tensors["tokens"].shape == (2, 2, 8)
    assert tensors["tokens"][0, 1].tolist() == [CLS, 15, GAP, GAP, PAD, PAD, PAD, PAD]
    assert (tensors["tokens"][1, 1] == PAD).all()
    assert is_residue(tensors["tokens"]).sum((1, 2)).tolist() == [4, 7]
    peaks = spectra_tensors(spectra[:3], 10)
    assert peaks["mz"].shape == (3, 10)
    assert torch.allclose((peaks["intensity"] ** 2).sum(1), torch.ones(3))


def test_groups_carry_both_distances(spectra):
    group = group_of(practice(spectra[:1])[0])
    truth = group.labels.index(0.0)
    assert all(label < 0 for i, label in enumerate(group.labels) if i != truth)
    batch = Targets(Axial(TINY))([group])
    rows = batch["rmd"][0]
    assert not rows[truth].nan_to_num().any()
    assert all(row.nan_to_num().any() for i, row in enumerate(rows) if i != truth)
    assert (rows.isnan() | is_residue(batch["features"]["tokens"])[0]).all()

    def loss(pmd, rmd, whole=1.0, local=1.0):
        class Off(torch.nn.Module):
            """Predicts the truth, and so much more."""

            def predict(self, **_):
                return pmd - batch["labels"], batch["rmd"].nan_to_num(9.0) + rmd

        losses = Objective(((whole, LOSSES["smooth_l1"]),) if whole else ())
        return float(Deviations(losses, local)(Off(), batch, 0.0))

    assert loss(0.0, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert loss(0.5, 2.0) == pytest.approx(0.125 + 4.0)
    assert loss(0.5, 2.0, local=0.0) == pytest.approx(0.125)
    assert loss(0.5, 2.0, whole=0.0, local=0.5) == pytest.approx(2.0)


def test_epochs_are_new_each_time_and_the_same_again(spectra):
    draw = Practice(6, seed=5)
    (known,) = [group_of(r, "known 0") for r in practice(spectra[:1])]
    (given,), (blank,) = true_groups(spectra[:1]), placeholders(1)
    assert draw(known, 3) is known
    assert draw(given, 0).query is draw(given, 1).query is spectra[0]
    assert draw(given, 0).candidates != draw(given, 1).candidates
    assert draw(given, 1) == Practice(6, seed=5)(given, 1)
    assert draw(given, 1).candidates != Practice(6, seed=6)(given, 1).candidates
    assert draw(blank, 0).query.name != draw(blank, 1).query.name
    assert len(draw(blank, 0).candidates) > 1
    once = Simulated(5)(blank, 0)
    assert once.candidates[0].content == once.query.peptide
    assert Simulated(5)(given, 0) is given


def test_no_peptide_is_in_both_parts(spectra):
    twice = [*spectra, *spectra]
    rest, out = split_by_peptide(twice, 0.25)
    assert len(rest) + len(out) == len(twice)
    assert len(out) == 12
    assert not {s.peptide.key for s in rest} & {s.peptide.key for s in out}


def test_simulated_spectra_show_their_peptides():
    from anyrank.domains.peptides.matching import coverage, match

    examples = simulated(30, seed=3)
    assert np.mean([coverage(s, match(s, s.peptide)) for s in examples]) > 0.8
    assert all(abs(s.mass / s.peptide.mass - 1) < 3e-5 for s in examples)
    given = parse("PEPTIDEK")
    assert {s.peptide for s in simulated(3, peptides=[given])} == {given}


def test_training_makes_a_folder_that_ranks(spectra, tmp_path):
    plan = Plan(TINY, pace=replace(QUICK, rounds=2), simulated=8, valid=0.2)
    done = train(plan, spectra, tmp_path / "m", known=practice(spectra[:3]))
    assert set(done.exact) == {"model", "hyperscore"}
    assert done.exact["hyperscore"] > 0.5
    assert sum("eval_RR" in line for line in done.log) == 2
    card = (tmp_path / "m" / "README.md").read_text()
    assert "weights of our choice" in card
    assert f"model {done.exact['model']:.4f}" in card
    ranked = stage("ranknovo", Setting((), model=str(tmp_path / "m"))).batch(practice(spectra))
    again = reranker(RankNovo(done.model), "x").batch(practice(spectra))
    assert [r.ids for r in ranked] == [r.ids for r in again]
    with pytest.raises(InputError, match="resume it"):
        train(plan, spectra, tmp_path / "m")
    with pytest.raises(InputError, match="another training"):
        train(replace(plan, valid=0.1), spectra, tmp_path / "m", resume=True)
    with pytest.raises(InputError, match="annotated"):
        train(replace(plan, simulated=0), [replace(spectra[0], peptide=None)])


def test_a_training_is_its_seed(spectra):
    plan = Plan(TINY, pace=QUICK, valid=0.0)
    first, second = (train(plan, spectra).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    other = train(replace(plan, pace=replace(QUICK, seed=1)), spectra).model.state_dict()
    assert not torch.equal(first["whole.weight"], other["whole.weight"])


def test_training_lowers_the_loss_and_patience_ends_it(spectra):
    plan = Plan(TINY, pace=Pace(rounds=12, batch=8, rate=3e-3), valid=0.25)
    log = train(plan, spectra).log
    losses = [line["loss"] for line in log if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    wild = replace(plan, pace=Pace(rounds=12, batch=8, rate=1.0, patience=1))
    assert sum("eval_RR" in line for line in train(wild, spectra).log) < 12


def test_a_stopped_training_goes_on_to_the_same_weights(spectra, tmp_path):
    plan = Plan(TINY, pace=replace(QUICK, rounds=3), valid=0.2)
    whole = train(plan, spectra, tmp_path / "m").model.state_dict()
    newest = max((tmp_path / "m" / "checkpoints").iterdir(), key=lambda p: int(p.name.rpartition("-")[2]))
    shutil.rmtree(newest)
    again = train(plan, spectra, tmp_path / "m", resume=True)
    assert all(torch.equal(again.model.state_dict()[k], whole[k]) for k in whole)
    assert newest.is_dir()


def test_a_training_can_go_on_from_a_model(spectra):
    start = Axial(TINY)
    before = {k: v.clone() for k, v in start.state_dict().items()}
    still = Plan(TINY, pace=replace(QUICK, rate=1e-30), valid=0.0)
    same = train(still, spectra, start=start).model.state_dict()
    assert all(torch.allclose(same[k], before[k], rtol=0, atol=1e-12) for k in before)
    moved = train(replace(still, pace=QUICK), spectra, start=start).model.state_dict()
    assert not torch.equal(moved["whole.weight"], before["whole.weight"])
    assert torch.equal(start.state_dict()["whole.weight"], before["whole.weight"])


def test_a_peptide_that_has_no_like_is_learned_by_itself(spectra):
    alone = replace(spectra[0], peptide=parse("G"))
    (group,) = true_groups([alone])
    assert all(len(Practice(2)(group, epoch).candidates) >= 1 for epoch in range(20))


def test_the_paper_is_a_part_of_pipelines(judge, spectra, tmp_path):
    from anyrank.pipeline.methods import build
    from anyrank.pipeline.parser import Settings
    from anyrank.pipeline.table import names

    judge.model.save(tmp_path / "m")
    rankings = practice(spectra[:5])
    ranked = build("ranknovo", Settings(), str(tmp_path / "m")).batch(rankings)
    assert [r.ids for r in ranked] == [r.ids for r in reranker(judge, "x").batch(rankings)]
    assert all(r.cost.usage.calls == 1 for r in ranked)
    assert "ranknovo" in names()
    with pytest.raises(ModelError, match=r"no axial\.json"):
        build("ranknovo", Settings(), str(tmp_path))
    with pytest.raises(InputError, match="leave cache out"):
        build("ranknovo", Settings(), str(tmp_path / "m"), cache=str(tmp_path / "c"))


def test_the_method_needs_its_folder(tmp_path):
    with pytest.raises(InputError, match="--model FOLDER"):
        stage("ranknovo", Setting(()))
    with pytest.raises(ModelError, match=r"no axial\.json"):
        stage("ranknovo", Setting((), model=str(tmp_path)))


@pytest.fixture(scope="module")
def engine(spectra, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("engine")
    train_engine(EnginePlan(replace(TINY, layers=1), pace=replace(QUICK, rounds=6)), spectra, folder)
    return folder


def test_the_base_engine_keeps_to_the_mass(engine, spectra):
    search = BaseEngine.load(engine, beam=20, top=3)
    psms = join(search(spectra), spectra).psms
    assert len(psms) >= 3
    for i, ranked in psms.items():
        assert len(ranked) <= 3
        assert [p.score for p in ranked] == sorted((p.score for p in ranked), reverse=True)
        for p in ranked:
            away = spectra[i].mass - p.peptide.mass
            assert min(abs(away), abs(away - 1.00335)) <= 20.1e-6 * spectra[i].mass
            assert p.score <= 0
    alone = search(spectra[3:4])
    assert [(p.peptide, round(p.score, 4)) for p in alone] == [(p.peptide, round(p.score, 4)) for p in psms.get(3, ())]
    with pytest.raises(InputError, match="beam=0"):
        BaseEngine(search.model, beam=0)
    with pytest.raises(ModelError, match="kind NextResidue"):
        Axial.from_folder(engine)


def test_a_perfect_model_finds_the_peptide(spectra):
    class Knowing(torch.nn.Module):
        """Logits that prefer the truth after every true prefix."""

        shape = TINY

        def __init__(self, truth):
            super().__init__()
            self.sums = np.cumsum([0.0, *truth.masses])
            self.truth = truth

        def encoder(self, mz, intensity, mass):
            return torch.zeros(len(mz), 1, 1), torch.zeros(len(mz), 1, dtype=torch.bool)

        def following(self, memory, nothing, mass, charge, last, prefix):
            logits = torch.zeros(*last.shape, len(CHOICES))
            for i, done in enumerate(self.sums[:-1]):
                logits[..., CHOICES.index(self.truth.tokens[i])] += 5.0 * ((prefix - done).abs() < 1e-6)
            return logits

    s = next(s for s in spectra if s.peptide.tokens[0] != s.peptide.tokens[1])
    best = BaseEngine(Knowing(s.peptide), beam=3)([s])[0]
    assert best.peptide.key == s.peptide.key


def test_what_no_residues_can_weigh_is_not_completable():
    pairs = np.array([57.021464 + 71.037114, 147.068414, 128.058578, 130.5, 20.0, -57.0, 3000.0])
    assert completable(pairs, 0.01).tolist() == [True, True, True, False, False, False, True]
    assert parse("GA").mass - WATER == pytest.approx(pairs[0])


def test_the_commands_chain(write_mgf, spectra, tmp_path):
    def call(*args):
        result = CliRunner().invoke(cli, ["peptides", *map(str, args)], standalone_mode=False)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    run = write_mgf(spectra)
    small = ["--rounds", 1, "--batch", 8, "--width", 32, "--valid", 0.2]
    assert call("train", "--spectra", run, "-o", tmp_path / "m", *small).return_value == 0
    assert (
        call("train", "--spectra", run, "-o", tmp_path / "e", "--kind", "engine", *small, "--rounds", 6).return_value
        == 0
    )
    with pytest.raises(InputError, match="holds a model"):
        call("train", "--spectra", run, "-o", tmp_path / "e", "--kind", "engine", *small)
    with pytest.raises(InputError, match="unknown residue"):
        call("train", "--spectra", run, "-o", tmp_path / "x", "--fixed", "Z")
    seen = json.loads((tmp_path / "m" / "trained_on.json").read_text())
    assert len(seen) >= 3
    assert list(RankNovo.load(tmp_path / "m").trained_on) == seen
    call("propose", "--spectra", run, "--model", tmp_path / "e", "-o", tmp_path / "own.csv", "--beam", 20)
    with open(tmp_path / "own.csv") as f:
        assert len(list(csv.DictReader(f))) >= 3
    done = call(
        "rerank", "--spectra", run, "--engine", f"own={tmp_path / 'own.csv'}", "--method", "ranknovo",
        "--model", tmp_path / "m", "-o", tmp_path / "best.mztab",
    )  # fmt: skip
    assert done.return_value == 0
    assert "method = ranknovo" in (tmp_path / "best.mztab").read_text()
    own = ["--engine", f"own={tmp_path / 'own.csv'}"]
    call("train", "--spectra", run, *own, "-o", tmp_path / "k", *small)
    assert re.search(r"[1-9]\d* with an engine's", (tmp_path / "k" / "README.md").read_text())


def test_candidates_beyond_the_models_residues_come_last_with_a_note(ideal):
    s = ideal("PEPTIDEK")
    texts = ["S[Phospho]EPTIDEK", "PEPTIDEK", "PEPTIDEK-[Amidated]", "EPPTIDEK"]
    given = Ranking(Query("q", s), tuple(Candidate(t, parse(t)) for t in texts))
    out = reranker(RankNovo(Axial(TINY)), "ranknovo")(given)
    assert set(out.ids[2:]) == {texts[0], texts[2]}
    assert "2 candidate(s) with residues beyond the model's table" in str(out.trace[-1])
    phospho = replace(s, peptide=parse("S[Phospho]EPTIDEK"))
    assert [c.id for c in group_of(Ranking(Query("q", s), given.candidates)).candidates] == [texts[1], texts[3]]
    assert trainable([s, phospho]) == [s]
