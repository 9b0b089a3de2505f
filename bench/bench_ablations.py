"""What losses, curricula and rules of mining are worth, on one small model: nDCG@10 of each against plain training,
over several seeds, with intervals and tests.

    python bench/bench_ablations.py GROUPS losses|curricula|mining [--seeds 3] [--groups 800] [--kind cross]

GROUPS is the folder of scripts/make_groups.py. Losses learn from its teacher-labelled groups; curricula and mining from
the training judgements of SciFact and NFCorpus (RankNet, one positive to seven negatives). The body is SPLADE-tiny's;
a cross-encoder's head, groups, their order and the negatives are drawn by the seed. Measured on the validation groups
(BM25's best 20 of each query), query by query, the mean over the seeds; intervals and p are of the paired difference to
the first row, resampling queries (Holm-corrected in a part). Written to bench/results/training-PART.json after each
seed; DOC prints the table of all parts for the docs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.evaluate.inputs import lists
from anyrank.evaluate.measures import Meter
from anyrank.evaluate.significance import corrected, intervals, t_test
from anyrank.hub.registry import resolve
from anyrank.io.qrels import read_qrels
from anyrank.train.curriculum import Curriculum
from anyrank.train.group import Group
from anyrank.train.groups import read_groups
from anyrank.train.losses import LOSSES
from anyrank.train.mining import Rules, doubted, mined
from anyrank.train.recipe import Export, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.sampling import Sampler, Softmax, Top, Uniform
from anyrank.train.teachers import ranking_of
from anyrank.train.validation import Validation, scores

RESULTS = Path(__file__).parent / "results"
VALID, DEPTH, JUDGED, TEXTS, NEGATIVES = ("scifact", "nfcorpus", "cosqa"), 20, 100, 8, 7

CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # one pass over the texts

LEARNED = (
    "mse",
    "ccc",
    "margin_mse",
    "margin_mse_all",
    "listnet",
    "listmle",
    "ranknet",
    "ranklist",
    "adr_mse",
    "hinge",
)
PAIRS = (("ranklist", "ranknet"), ("ranklist", "listnet"), ("margin_mse", "mse"), ("margin_mse_all", "mse"))
"""Losses that are compared with each other too."""
CURRICULA: dict[str, Curriculum | None] = {
    "none": None,
    "recip": Curriculum("recip", end=1),
    "norm": Curriculum("norm", end=1),
    "kde": Curriculum("kde", end=1),
    "recip, anti": Curriculum("recip", end=1, anti=True),
}
MINING: dict[str, tuple[Rules, Sampler, Rules | None]] = {
    "random": (Rules(), Uniform(), None),
    "top": (Rules(), Top(), None),
    "softmax, tau 2": (Rules(), Softmax(2.0), None),
    "ranks 10 to 50": (Rules(skip=10), Top(), None),
    "absolute margin 2": (Rules(absolute=2.0), Top(), None),
    "relative margin .95": (Rules(relative=0.95), Top(), None),
    "adaptive margin 1": (Rules(adaptive=1.0), Top(), None),
    "top, MiniLM agrees": (Rules(), Top(), Rules(absolute=0.0)),
}


@dataclass(frozen=True)
class Variant:
    """One row: a loss, the groups of a seed, and a curriculum."""

    loss: str
    groups: Callable[[int], list[Group]]
    weigh: Curriculum | None = None


def variants(part: str, folder: Path, size: int) -> dict[str, Variant]:
    if part == "losses":
        return {name: Variant(name, partial(taught, folder, size)) for name in LEARNED}
    rows = list(read_groups(folder / "judged.jsonl"))
    if part == "curricula":
        plain = partial(negatives, rows, None, size, *MINING["random"])
        runs = {g.id: g.priors for g in rows}
        known = {name: weigh and replace(weigh, runs=runs) for name, weigh in CURRICULA.items()}
        return {name: Variant("ranknet", plain, weigh) for name, weigh in known.items()}
    second = {g.id: g for g in read_groups(folder / "judged-minilm.jsonl")}
    return {name: Variant("ranknet", partial(negatives, rows, second, size, *rule)) for name, rule in MINING.items()}


def taught(folder: Path, size: int, seed: int) -> list[Group]:
    found = list(read_groups(folder / "train.jsonl"))
    chosen = np.random.default_rng(seed).permutation(len(found))[:size]
    return [found[i].take(range(min(TEXTS, len(found[i].texts)))) for i in sorted(chosen.tolist())]


def negatives(
    rows: Sequence[Group],
    second: dict[str, Group] | None,
    size: int,
    rules: Rules,
    sampler: Sampler,
    agrees: Rules | None,
    seed: int,
) -> list[Group]:
    """One positive (drawn by the seed) and seven mined negatives of each query; its other positives are left out."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))[:size]
    runs, known = [], {}
    doubts: dict[str, set[str]] = {}
    for i in order.tolist():
        good = [d for d, label in zip(rows[i].ids, rows[i].labels) if label > 0]
        if not good:
            continue
        runs.append(ranking_of(rows[i]))
        known[rows[i].id] = {good[int(rng.integers(len(good)))]: 1}
        doubts[rows[i].id] = set(good) - set(known[rows[i].id])
        if agrees is not None and second is not None:
            best = ranking_of(replace(second[rows[i].id], priors=second[rows[i].id].labels))
            places = np.argsort([-c.score for c in best], kind="stable").tolist()
            doubts[rows[i].id] |= doubted(best.ordered(places), known[rows[i].id], agrees)
    return [g for g in mined(runs, known, NEGATIVES, rules, sampler, exclude=doubts, seed=seed) if len(g.texts) > 1]


def judged(folder: Path) -> dict[str, Validation]:
    out = {}
    for name in VALID:
        groups = [g.take(range(min(DEPTH, len(g.texts)))) for g in read_groups(folder / f"valid-{name}.jsonl")]
        qrels = read_qrels(folder / f"valid-{name}.tsv")
        out[name] = Validation(groups[:JUDGED], qrels=qrels)
    return out


def run(variant: Variant, kind: Any, seed: int, tests: dict[str, Validation], threads: int) -> tuple[list[float], int]:
    """nDCG@10 of each validation query, and how many pairs were learned from."""
    groups = variant.groups(seed)
    with tempfile.TemporaryDirectory() as out:
        recipe = Recipe(
            out=out,
            model=Model(kind=kind, start=str(resolve("splade-tiny-fp32")), max_length=128, options=CALM),
            optimiser=Optimiser(rate=5e-4, batch=8, bf16=True),
            export=Export(int8=False),
            seed=seed,
            threads=threads,
        )
        done = train(recipe, train=groups, losses=[(1.0, LOSSES[variant.loss])], weigh=variant.weigh)
    values: list[float] = []
    for test in tests.values():
        ranked, _ = lists(test.run(scores(done.model, test.groups, bf16=True)))
        (found,) = Meter(["nDCG@10"], test.judged)(ranked).values()
        values += found
    return values, sum(len(g.texts) for g in groups)


def table(found: dict[str, list[list[float]]], ends: Sequence[int]) -> list[dict[str, object]]:
    """A row a variant: means, spread over seeds, difference to the first with its interval and p."""
    names = list(found)
    means = {n: np.mean(found[n], axis=0) for n in names}
    first = means[names[0]]
    gaps = np.stack([means[n] - first for n in names], axis=1)
    low, high = intervals(gaps, samples=5000)
    ps = [1.0, *corrected([t_test(means[n], first) for n in names[1:]])]
    rows = []
    for j, n in enumerate(names):
        by_seed = [float(np.mean(v)) for v in found[n]]
        parts = np.split(means[n], ends)
        rows.append(
            {
                "variant": n,
                "nDCG@10": round(float(means[n].mean()), 4),
                "seeds": [round(s, 4) for s in by_seed],
                **{name: round(float(p.mean()), 4) for name, p in zip(VALID, parts)},
                "difference": round(float(gaps[:, j].mean()), 4),
                "interval": [round(float(low[j]), 4), round(float(high[j]), 4)],
                "p": round(ps[j], 4),
            }
        )
    return rows


def compared(values: dict[str, list[float]]) -> list[dict[str, object]]:
    """The pairs of losses, each with the difference, its interval and p (Holm-corrected over the pairs)."""
    pairs = [(a, b) for a, b in PAIRS if a in values and b in values]
    if not pairs:
        return []
    gaps = np.stack([np.subtract(values[a], values[b]) for a, b in pairs], axis=1)
    low, high = intervals(gaps, samples=5000)
    ps = corrected([t_test(np.asarray(values[a]), np.asarray(values[b])) for a, b in pairs])
    return [
        {
            "pair": f"{a} - {b}",
            "difference": round(float(gaps[:, j].mean()), 4),
            "p": round(ps[j], 4),
            "interval": [round(float(low[j]), 4), round(float(high[j]), 4)],
        }
        for j, (a, b) in enumerate(pairs)
    ]


def document() -> str:
    """The table of all parts, in Markdown."""
    lines = []
    for part in ("losses", "curricula", "mining"):
        kept = json.loads((RESULTS / f"training-{part}.json").read_text())
        seeds, queries = len(kept["rows"][0]["seeds"]), kept["queries"]
        lines += [
            f"### {part.capitalize()}",
            "",
            f"{seeds} seeds, {queries} validation queries, {kept['groups']} groups.",
            "",
        ]
        lines += [
            "| | nDCG@10 | lowest and highest seed | SciFact | NFCorpus | CoSQA | against the first | 95 % | p |",
            "|" + "---|" * 9,
        ]
        for r in kept["rows"]:
            s, (low, high) = r["seeds"], r["interval"]
            cells = [
                r["variant"],
                f"{r['nDCG@10']:.4f}",
                f"{min(s):.4f} to {max(s):.4f}",
                *(f"{r[v]:.4f}" for v in VALID),
            ]
            cells += (
                ["", "", ""]
                if r is kept["rows"][0]
                else [f"{r['difference']:+.4f}", f"{low:+.4f} to {high:+.4f}", f"{r['p']:.4f}" if r["p"] else "< .0001"]
            )
            lines.append("| " + " | ".join(cells) + " |")
        lines += [""] + [
            "{pair}: {difference:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f}, p {p:.4f}).".format(**pair)
            for pair in kept.get("pairs", ())
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups_folder", type=Path)
    parser.add_argument("part", choices=("losses", "curricula", "mining", "doc"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--groups", type=int, default=800)
    parser.add_argument("--kind", choices=("cross", "late"), default="cross")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.part == "doc":
        print(document())
        return
    tests = judged(args.groups_folder)
    ends = np.cumsum([len(t.judged) for t in tests.values()]).tolist()[:-1]
    rows = variants(args.part, args.groups_folder, args.groups)
    found: dict[str, list[list[float]]] = {n: [] for n in rows}
    for seed in range(args.seeds):
        for name, variant in rows.items():
            values, pairs = run(variant, args.kind, seed, tests, args.threads)
            found[name].append(values)
            print(seed, f"{name:24} {np.mean(values):.4f} {pairs} pairs", flush=True)
        kept = {"kind": args.kind, "groups": args.groups, "queries": len(values), "rows": table(found, ends)}
        values_of = {n: np.mean(found[n], axis=0).tolist() for n in rows}
        kept["pairs"] = compared(values_of)
        kept["values"] = {n: [round(v, 4) for v in mine] for n, mine in values_of.items()}
        (RESULTS / f"training-{args.part}.json").write_text(json.dumps(kept, indent=1) + "\n")
    for row in table(found, ends):
        print(row)


if __name__ == "__main__":
    main()
