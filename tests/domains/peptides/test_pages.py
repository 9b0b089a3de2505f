"""Pages of peptides: annotated spectra, and names from files that stay inert."""

import numpy as np
import pytest

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.peptides.accuracy import assess, intervals, measures
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.reports.eval_page import eval_page
from anyrank.domains.peptides.reports.rerank_page import Source, rerank_page
from anyrank.domains.peptides.reports.spectrum_chart import spectrum_chart
from anyrank.domains.peptides.spectrum import Spectrum

HOSTILE = "<script>alert(1)</script>'\"\u202e\x00 {{ 7*7 }} שלום"


def ranking(spectrum, *texts):
    """Candidates of one engine with a hostile name, in this order."""
    candidates = [
        Candidate(p.key, p, -float(i), {"scores": {HOSTILE: 1.0 / (i + 1)}, "ranks": {HOSTILE: i + 1}})
        for i, p in enumerate(map(parse, texts))
    ]
    return Ranking(Query(spectrum.name, spectrum), tuple(candidates))


def test_a_spectrum_names_the_ions_and_both_peptides(ideal):
    s = ideal("PEM[Oxidation]TIDEK")
    chart = spectrum_chart(s, ("chosen", s.peptide), ("rival", parse("[Acetyl]-EPTIDEK")))
    assert chart.startswith("<svg")
    assert ">y3<" in chart
    assert ">+42.011<" in chart
    assert ">rival<" in chart
    nothing = np.zeros(0)
    assert spectrum_chart(Spectrum(nothing, nothing, 300.0, 2), ("x", s.peptide)).startswith("<svg")


@pytest.fixture
def two(ideal):
    spectra = [ideal("PEPTIDEK", title=HOSTILE), ideal("ELVISK", title="t1")]
    return [ranking(spectra[0], "PEPTIDEK", "EPPTIDEK"), ranking(spectra[1], "EVLISK", "ELVISK")]


def test_an_evaluation_shows_wrong_answers_first(two, check_page):
    table = [assess(r[0].content, r.query.content.peptide, r[0].score) for r in two]
    page = eval_page(
        {HOSTILE: table}, two, title=HOSTILE, method=HOSTILE, oracle=1.0,
        values={HOSTILE: measures(table)}, bounds={HOSTILE: intervals(table, samples=50)},
    )  # fmt: skip
    check_page(page)
    assert page.count("<svg") == 1 + 2 + 2  # whisker, curves, spectra
    assert '<option value="0">t1: EVLISK, wrong</option>' in page
    assert ">the true peptide<" in page
    assert ">the rival<" in page
    assert "2 annotated spectra; the true peptide is among the candidates of 100.0% of them." in page


def test_a_reranking_shows_losses_and_changes(two, check_page):
    after = [two[0], ranking(two[1].query.content, "ELVISK", "EVLISK")]
    sources = [Source("spectra", rf"C:\\runs\\{HOSTILE}.mgf", 2), Source(HOSTILE, HOSTILE, 4, (HOSTILE,) * 7)]
    page = rerank_page(two, after, sources, method=HOSTILE)
    check_page(page)
    assert "2 spectra, 2 with candidates (4 in all)" in page
    assert "the first choice changed for 1 (50.0%)." in page
    assert "and 2 more" in page
    assert '<option value="0">t1: ELVISK, was EVLISK</option>' in page
    assert ">the engines&#39; first (wrong)<" in page


def test_a_reranking_of_nothing_is_a_page_too(check_page):
    page = rerank_page([], [], [Source("spectra", "run.mgf", 0)], method="cosine")
    check_page(page)
    assert "None changed." in page
