"""The papers of generative retrieval: their cards, and the published settings of their plans."""

import pytest
from click.testing import CliRunner

from anyrank.cli.generative import METHODS
from anyrank.cli.papers import papers_command
from anyrank.papers import card, defining, kind, load


def test_every_plan_is_a_method_of_the_command():
    assert {paper for paper, _ in METHODS.values()} == set(defining("plan"))


@pytest.mark.parametrize("name", sorted(defining("plan")))
def test_cards_say_what_is_theirs_and_what_is_left_out(name):
    module = load(name)
    assert card(name) == module.CARD
    assert module.CARD.arxiv in module.__doc__
    assert module.CARD.title in " ".join(module.__doc__.split())
    assert module.CARD.differences
    assert kind(name) == "training"
    shown = CliRunner().invoke(papers_command, ["show", name], standalone_mode=False).output
    assert module.CARD.summary in shown
    assert shown.count("reported, not ours") == len(module.CARD.figures)


def test_the_published_settings():
    nci = load("nci").plan()
    assert (nci.form, nci.ids, nci.prefix_aware, nci.branching, nci.leaf) == ("sequence", "clusters", True, 30, 30)
    assert (nci.max_length, nci.mixed) == (64, True)
    dsi = load("dsi").plan(batch=128)
    assert (dsi.form, dsi.ids, dsi.prefix_aware, dsi.max_length, dsi.batch) == ("sequence", "numbers", False, 32, 128)
    over_dense, vanilla = (load("dynamic_retriever").plan(rows=rows) for rows in ("vectors", "random"))
    assert (over_dense.form, over_dense.rows, over_dense.mixed) == ("atomic", "vectors", False)
    assert vanilla.fresh_rate > over_dense.fresh_rate
    assert load("dynamic_retriever").plan(rows="random", fresh_rate=0.5).fresh_rate == 0.5
    golden = {f.metric: f.value for f in card("nci").figures if f.setting == "NCI, base"}
    assert golden == {"R@1": 0.6586, "R@10": 0.8520, "R@100": 0.9242, "MRR@100": 0.7312}
