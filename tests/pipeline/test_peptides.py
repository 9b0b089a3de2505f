"""Stages over peptides by name."""

import numpy as np
import pytest

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.ions import by_ions
from anyrank.domains.peptides.notation import parse as peptide
from anyrank.domains.peptides.simulate import simulated
from anyrank.domains.peptides.spectrum import Spectrum
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text


@pytest.mark.parametrize("spec", ["hyperscore", 'hyperscore("0.5Da")', "hyperscore % 1"])
def test_hyperscore_is_a_stage(spec):
    truth = peptide("PEPTIDEK")
    mz = np.unique(by_ions(truth, 2))
    query = Query("s", Spectrum(mz, np.ones(len(mz)), truth.mz(2), 2))
    given = Ranking(query, tuple(Candidate(t, peptide(t)) for t in ("EPPTIDEK", "PEPTIDEK")))
    stage = parse(spec, starts=False)
    assert parse(text(stage), starts=False) == stage
    assert stage(given).ids[0] == "PEPTIDEK"


def test_trees_are_a_stage(tmp_path):
    pytest.importorskip("lightgbm")
    rankings = practice(simulated(20, seed=5), 4)
    trees = Boosted.fit(rankings, [r.query.content.peptide for r in rankings], (), rounds=5)
    trees.save(tmp_path / "m.json")
    stage = parse(f'lightgbm("{tmp_path / "m.json"}")', starts=False)
    assert sum(r[0].id == r.query.content.peptide.key for r in stage.batch(rankings)) > 14
