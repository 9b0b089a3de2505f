"""Which of 14 abstractive summaries of an article is best by human recall (REALSumm, 100 articles of CNN/DM)?

    python bench/bench_summaries.py likelihood DATA WORK    # log-likelihoods by SmolLM2-135M-Instruct, cached in WORK
    python bench/bench_summaries.py train DATA WORK         # a cross-encoder by five-fold cross-validation, brio's loss
    python bench/bench_summaries.py report DATA WORK        # all picks, written to bench/results/summaries.json
                                                            (the cross-encoder's only after train)

DATA is the folder that holds realsumm/. A pick is the candidate that a method puts first; its value is the share of
the reference's facts that people found in it (LitePyramid recall). Texts are lower-cased, as the articles are. Length
exponents are stated for all tried, and once chosen on the other four fifths of the articles; the linear model and the
cross-encoder never see the articles that they judge. Intervals: bootstrap over articles, of the difference to the mean
of the 14. ``longest`` needs no method and is the line to beat: recall rewards length. ``seconds`` are CPU seconds.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.summaries.judges import consensus
from anyrank.domains.summaries.overlap import ngrams, rouge, similarity, words
from anyrank.evaluate.significance import intervals
from anyrank.hub.open import open_model
from anyrank.llm.templates import SUMMARY
from anyrank.train.group import Group

RESULTS = Path(__file__).parent / "results" / "summaries.json"
MODEL, BODY, FOLDS = "smollm2-135m-instruct", "splade-tiny-fp32", 5
ALPHAS = (0.0, 0.6, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Article:
    """An article's ranking of candidates in the order of their systems' names, with human recall and ROUGE-1 F of
    each."""

    ranking: Ranking
    recall: tuple[float, ...]
    rouge1: tuple[float, ...]

    @property
    def texts(self) -> list[str]:
        return [c.content for c in self.ranking]


def plain(text: str) -> str:
    return " ".join(re.sub(r"</?t>", " ", text).lower().split())


def articles(data: Path) -> list[Article]:
    folder = data / "realsumm"
    rows = json.loads(gzip.decompress((folder / "abs.scores.json.gz").read_bytes()))
    source = folder / "selected_docs_for_human_eval" / "abs" / "ptr_generator" / "src.txt.gz"
    texts = gzip.decompress(source.read_bytes()).decode().split("\n")
    out = []
    for i in range(len(rows)):
        row = rows[str(i)]
        systems = sorted(row["system_summaries"].items())
        members = [Candidate(name, plain(s["system_summary"])) for name, s in systems]
        query = Query(str(i), plain(texts[i]), {"reference": plain(row["ref_summ"])})
        scores = [s["scores"] for _, s in systems]
        recall = tuple(s["litepyramid_recall"] for s in scores)
        out.append(Article(Ranking(query, tuple(members)), recall, tuple(s["rouge_1_f_score"] for s in scores)))
    return out


def likelihood(data: Path, work: Path) -> None:
    """The log-likelihood and the number of tokens of each candidate."""
    model, out, start = open_model(f"hf:{MODEL}", dtype="bfloat16"), [], time.process_time()
    for article in articles(data):
        prompt = SUMMARY.render(article.ranking.query, article.ranking.candidates[:1]).prompt
        answers = model.loglikelihood([prompt] * len(article.texts), [" " + t for t in article.texts])
        out.append([(a.values[0], a.tokens[0]) for a in answers])
        print(len(out), round(time.process_time() - start), flush=True)
    result = {"seconds": round(time.process_time() - start), "scores": out}
    (work / "likelihood.json").write_text(json.dumps(result))


def train(data: Path, work: Path) -> None:
    """Scores of a small cross-encoder, each article's by the model that saw the other folds."""
    from anyrank.train.recipe import Export, Loss, Model, Optimiser, Recipe
    from anyrank.train.run import train
    from anyrank.train.validation import scores

    rows, start = articles(data), time.process_time()
    groups = [Group.of(a.ranking.query, a.ranking.candidates, a.recall) for a in rows]
    out: list[list[float]] = [[] for _ in rows]
    for fold in range(FOLDS):
        recipe = Recipe(
            out=str(work / f"fold{fold}"),
            model=Model(kind="cross", start=BODY, max_length=160),
            losses=(Loss(name="brio", weight=10.0, options={"margin": 0.02}),),
            optimiser=Optimiser(rate=3e-4, epochs=3, batch=4),
            export=Export(int8=False),
            threads=1,
        )
        model = train(recipe, train=[g for i, g in enumerate(groups) if i % FOLDS != fold]).model
        mine = [i for i in range(len(rows)) if i % FOLDS == fold]
        for i, values in zip(mine, scores(model, [groups[i] for i in mine])):
            out[i] = list(values)
        print("fold", fold, round(time.process_time() - start), flush=True)
    result = {"seconds": round(time.process_time() - start), "scores": out}
    (work / "trained.json").write_text(json.dumps(result))


def picked(rows: Sequence[Article], scores: Sequence[Sequence[float]]) -> list[float]:
    """The human recall of the best-scored candidate of each article."""
    return [a.recall[int(np.argmax(s))] for a, s in zip(rows, scores, strict=True)]


def chosen(rows: Sequence[Article], options: Sequence[Sequence[Sequence[float]]]) -> list[Sequence[float]]:
    """Each article's scores under the option whose picks were best on the other folds."""
    values = np.array([picked(rows, scores) for scores in options])
    fold = np.arange(len(rows)) % FOLDS
    best = [int(values[:, fold != f].mean(1).argmax()) for f in range(FOLDS)]
    return [options[best[i % FOLDS]][i] for i in range(len(rows))]


def linear(rows: Sequence[Article], features: Sequence[Any]) -> list[list[float]]:
    """Ridge regression from features (z-scores within an article) to recall less the article's mean, by folds."""
    x = [(f - f.mean(0)) / (f.std(0) + 1e-9) for f in map(np.array, features)]
    y = [np.array(a.recall) - mean(a.recall) for a in rows]
    out: list[list[float]] = []
    for i in range(len(rows)):
        rest = [j for j in range(len(rows)) if j % FOLDS != i % FOLDS]
        xs, ys = np.concatenate([x[j] for j in rest]), np.concatenate([y[j] for j in rest])
        weights = np.linalg.solve(xs.T @ xs + 10 * np.eye(xs.shape[1]), xs.T @ ys)
        out.append((x[i] @ weights).tolist())
    return out


def cosines(rows: Sequence[Article]) -> tuple[list[list[float]], list[list[float]]]:
    """MiniLM's cosine of each candidate to its article's beginning, and its mean to the other candidates."""
    encoder, to_article, to_others = open_model("minilm"), [], []
    for a in rows:
        vectors = encoder.encode([a.ranking.query.content, *a.texts]).vectors.array
        near = vectors @ vectors.T
        to_article.append(near[0, 1:].tolist())
        n = len(a.texts)
        to_others.append(((near[1:, 1:].sum(1) - 1) / (n - 1)).tolist())
    return to_article, to_others


def copied(article: str, summary: str) -> float:
    """The share of a summary's pairs of words that stand in its article."""
    pairs = ngrams(words(summary), 2)
    return len(pairs & ngrams(words(article), 2)) / max(len(pairs), 1)


def report(data: Path, work: Path) -> None:
    rows = articles(data)
    seconds: dict[str, int] = {}

    def timed(name: str, make: Callable[[], Any]) -> Any:
        start = time.process_time()
        value = make()
        seconds[name] = round(time.process_time() - start)
        return value

    known = json.loads((work / "likelihood.json").read_text())
    seconds["likelihood"] = known["seconds"]
    trained = json.loads((work / "trained.json").read_text()) if (work / "trained.json").is_file() else None
    if trained:
        seconds["cross-encoder"] = trained["seconds"]
    by_alpha = {a: [[v / n**a for v, n in one] for one in known["scores"]] for a in ALPHAS}
    lengths = [[float(len(words(t))) for t in a.texts] for a in rows]
    score = rouge()
    rouge_consensus = timed("consensus, ROUGE", lambda: [consensus(a.texts, score) for a in rows])
    overlap = timed("consensus, overlap", lambda: [consensus(a.texts, similarity) for a in rows])
    to_article, to_others = timed("minilm", lambda: cosines(rows))
    share = [[copied(a.ranking.query.content, t) for t in a.texts] for a in rows]
    columns = (lengths, overlap, to_others, to_article, share, by_alpha[1.0])
    features = [np.array([column[i] for column in columns]).T for i in range(len(rows))]
    references = [a.ranking.query.meta["reference"] for a in rows]
    methods = {
        "longest": lengths,
        **{f"likelihood, alpha {a:g}": s for a, s in by_alpha.items()},
        "likelihood, alpha by cross-validation": chosen(rows, list(by_alpha.values())),
        "consensus, overlap of words and pairs": overlap,
        "consensus, ROUGE-1, -2, -Lsum": rouge_consensus,
        "consensus, MiniLM cosine": to_others,
        "MiniLM cosine to the article": to_article,
        **({"cross-encoder (BERT-tiny, brio) by cross-validation": trained["scores"]} if trained else {}),
        "linear model of six features by cross-validation": linear(rows, features),
        "oracle: ROUGE-1 of the data's authors": [list(a.rouge1) for a in rows],
        "oracle: ROUGE-1, -2, -Lsum": [[score(r, t) for t in a.texts] for r, a in zip(references, rows)],
        "oracle: overlap": [[similarity(r, t) for t in a.texts] for r, a in zip(references, rows)],
    }
    average = [mean(a.recall) for a in rows]
    table = {}
    for name, scores in methods.items():
        values = picked(rows, scores)
        low, high = (bound[0] for bound in intervals(np.subtract(values, average)[:, None]))
        table[name] = {
            "recall": round(mean(values), 4),
            "gain": [round(mean(values) - mean(average), 4), round(float(low), 4), round(float(high), 4)],
            "words": round(mean(n[int(np.argmax(s))] for n, s in zip(lengths, scores)), 1),
        }
    result = {
        "data": "REALSumm, abstractive: 100 articles x 14 summaries, human LitePyramid recall of the pick",
        "mean of the 14": round(mean(average), 4),
        "best of the 14": round(mean(max(a.recall) for a in rows), 4),
        "mean words": round(mean(x for n in lengths for x in n), 1),
        "picks": table,
        "cpu seconds": seconds,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    command, data, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    work.mkdir(parents=True, exist_ok=True)
    {"likelihood": likelihood, "train": train, "report": report}[command](data, work)
