"""EDU plans: many summaries from as many plans of what to say, the likeliest chosen.

Adams, Fabbri, Ladhak, McKeown and Elhadad, "Generating EDU Extracts for Plan-Guided Summary Re-Ranking", ACL 2023,
arXiv 2305.17779. A planner points at clauses of the article in rising order (`domains.summaries.planner`), 16 beams
give 16 plans, an abstractor writes a summary under each (`domains.summaries.abstractor`), and BRIO's score ranks them
(``brio``). Clauses are found by rules here, or by a token classifier; oracle plans for training are in
`domains.summaries.plans`. There are no weights: planner and abstractor are to be trained.
"""

from __future__ import annotations

from .card import Card, Figure

CARD = Card(
    name="edu_plans",
    title="Generating EDU Extracts for Plan-Guided Summary Re-Ranking",
    arxiv="2305.17779",
    year=2023,
    summary="summaries written under plans of clauses (domains/summaries), the likeliest chosen by brio",
    needs="a trained planner and abstractor, and a scorer: loglikelihood of a language model",
    figures=(
        Figure(0.0088, "CNN/DM", "gain in ROUGE-2", "over the baseline"),
        Figure(0.0201, "NYT", "gain in ROUGE-2", "over the baseline"),
        Figure(0.0038, "XSum", "gain in ROUGE-2", "over the baseline"),
        Figure(0.0105, "CNN/DM", "gain in ROUGE-2", "plans given to GPT-3"),
    ),
    differences=(
        "clauses by rules or any token classifier; the authors' by NeuralEDUSeg",
        "plans begin a transformer of torch's layers; the authors' small BART differs in its positions",
    ),
)
