"""GRPO measured: a toy learnt by a tiny decoder, ProRank's two stages on a toy, SmolLM2-135M on SciFact.

    python bench/bench_grpo.py toy [STEPS]    # is it the document that shares the rare word? a curve (minutes)
    python bench/bench_grpo.py prorank        # form by rewards, then scores by each loss (minutes)
    python bench/bench_grpo.py smollm [STEPS] # form and truth of its verdicts, nDCG@10 before and after (half an hour)

Needs the extras train and rl; the last part the optional data (ANYRANK_DATA, or ../shared/data) and SmolLM2
(anyrank models get smollm2-135m-instruct). Results: bench/results/grpo.json, curve: docs/grpo.svg.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anyrank.core.types import Ranking
from anyrank.evaluate.measures import Meter
from anyrank.train.group import Group
from anyrank.train.recipe import Check, Model, Optimiser, Recipe
from anyrank.train.reinforce import Reinforce

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "bench" / "results" / "grpo.json"
WORDS = [f"w{i}" for i in range(12)]


def choices(n: int, texts: int = 3, seed: int = 0) -> list[Group]:
    """Queries of one word, and documents of one word each, of which the first is the query's."""
    rng = random.Random(seed)
    drawn = [rng.sample(WORDS, texts) for _ in range(n)]
    return [Group.from_texts(r[0], r, (1.0, *[0.0] * (texts - 1)), f"q{seed}-{i}") for i, r in enumerate(drawn)]


def rare(n: int, texts: int = 3, seed: int = 0) -> list[Group]:
    """Queries of a rare word, and documents of common words, of which the first holds the rare one too."""
    rng = random.Random(seed)
    out = []
    for i in range(n):
        word = rng.choice(WORDS[:3])
        documents = [rng.choices(WORDS[3:], k=3) for _ in range(texts)]
        documents[0][rng.randrange(3)] = word
        labels = (1.0, *[0.0] * (texts - 1))
        out.append(Group.from_texts(word, [" ".join(d) for d in documents], labels, f"r{seed}-{i}"))
    return out


def toy(folder: Path, steps: int) -> dict[str, Any]:
    """A tiny decoder with random weights learns to say 1 of the document that shares the query's rare word, 0 of the
    others: first the form (from 2 words in 27), then the truth (from one half)."""
    from anyrank.testing.tiny import chooser
    from anyrank.train.run import train

    recipe = Recipe(
        out=str(folder / "toy"),
        model=Model(kind="language", start=chooser(folder / "start", WORDS), max_length=256),
        rl=Reinforce(task="relevant", samples=8, tokens=1, words=4),
        optimiser=Optimiser(batch=16, steps=steps, rate=3e-3, warmup=0.02, bf16=False, decay=0.0),
        check=Check(every=10_000),
    )
    begun = time.process_time()
    done = train(recipe, train=rare(1000), valid=rare(64, seed=1))
    names = ("reward", "rewards/form/mean", "rewards/accuracy/mean")
    curve = [(int(line["step"]), *(round(line[name], 4) for name in names)) for line in done.log]
    picture(curve, ROOT / "docs" / "grpo.svg")
    return {"cpu_s": time.process_time() - begun, "rewards": done.rewards, "curve": curve}


def picture(curve: Sequence[Sequence[float]], path: Path) -> None:
    """Draw form and accuracy by the step."""
    width, height, left, top = 640, 260, 44, 20
    last = curve[-1][0]
    lines = []
    for at, name, colour in ((2, "form", "#2a6fbb"), (3, "accuracy", "#c2571a")):
        points = " ".join(f"{left + width * row[0] / last:.1f},{top + height * (1 - row[at]):.1f}" for row in curve)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        lines.append(
            f'<text x="{left + width - 70}" y="{top + height - 40 + 18 * (at - 2)}" fill="{colour}">{name}</text>'
        )
    for value in (0, 0.5, 0.9, 1):
        y = top + height * (1 - value)
        lines.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ccc"/>')
        lines.append(f'<text x="8" y="{y + 4:.0f}">{value:g}</text>')
    lines.append(f'<text x="{left + width - 60}" y="{top + height + 18}">step {last}</text>')
    size = f'width="{width + left + 20}" height="{height + top + 28}"'
    label = "Mean rewards of form and accuracy of a tiny decoder by the step of GRPO"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}" font-family="sans-serif"'
    path.write_text("\n".join([f'{head} font-size="12">', *lines, "</svg>", ""]), encoding="utf-8")


def prorank(folder: Path) -> dict[str, Any]:
    """ProRank on a toy: is the document the query's word? Form by stage 1, nDCG@10 by stage 2 and each loss."""
    from anyrank.models.verdict import Verdict
    from anyrank.papers import load
    from anyrank.testing.tiny import chooser
    from anyrank.train.run import train
    from anyrank.train.validation import Validation, scores

    recipe = load("prorank").recipe
    start = chooser(folder / "start", WORDS)
    groups, valid = choices(400, 6), choices(64, 6, seed=1)
    first = recipe(str(folder / "first"), (), start=start)
    first = replace(first, model=replace(first.model, max_length=256), rl=replace(first.rl, dtype="float32", tokens=2))
    quick = Optimiser(batch=8, steps=80, rate=3e-3, warmup=0.05, bf16=False, decay=0.0)
    begun = time.process_time()
    done = train(replace(first, optimiser=quick, check=Check(every=10_000)), train=groups, valid=valid[:32])
    out: dict[str, Any] = {"stage 1": done.rewards, "cpu_s": time.process_time() - begun, "nDCG@10": {}}
    check = Validation(valid)
    for name, where in (("start", start), ("stage 1", str(folder / "first"))):
        model = Verdict.from_folder(where, max_length=256)
        out["nDCG@10"][name] = check(lambda g, m=model: scores(m, g))
    for loss in ("binary_cross_entropy", "infonce", "ranknet"):
        second = recipe(str(folder / loss), (), stage=2, start=str(folder / "first"), loss=loss)
        second = replace(second, model=replace(second.model, max_length=256))
        second = replace(second, optimiser=replace(quick, steps=300, rate=2e-3), check=Check(every=10_000))
        model = train(second, train=groups).model
        out["nDCG@10"][f"stage 2, {loss}"] = check(lambda g, m=model: scores(m, g))
    return out


def smollm(folder: Path, steps: int) -> dict[str, Any]:
    """SmolLM2-135M's verdicts, "1" or "0", on SciFact's training claims; the last 40 are held out."""
    from anyrank.hub.open import open_model
    from anyrank.papers import load
    from anyrank.train.mining import mined
    from anyrank.train.run import train

    rankings, qrels = scifact(folder)
    held_out, training = rankings[-40:], rankings[:-40]
    groups, valid = (list(mined(part, qrels, 7)) for part in (training, held_out))
    words = 40
    recipe = Recipe(
        out=str(folder / "smollm"),
        model=Model(kind="language", start="smollm2-135m-instruct", max_length=512),
        rl=Reinforce(task="relevant", samples=8, tokens=1, words=words, lora=16, dtype="bfloat16"),
        optimiser=Optimiser(batch=4, steps=steps, rate=3e-4, warmup=0.0, bf16=False, decay=0.0),
        check=Check(every=10_000),
    )
    start = time.process_time()
    done = train(recipe, train=groups, valid=valid[:16])
    seconds = time.process_time() - start
    few = [Ranking(r.query, r.candidates[:8]) for r in held_out if set(r.ids[:8]) & set(qrels[r.query.id])][:30]
    out: dict[str, Any] = {"steps": steps, "cpu_s": seconds, "rewards": done.rewards, "queries": len(few)}
    out["curve"] = [(int(line["step"]), line["reward"]) for line in done.log]
    out["bm25"] = ndcg(few, qrels)
    for when, name in (("before", "smollm2-135m-instruct"), ("after", f"hf:{folder}/smollm")):
        model = open_model(name, dtype="bfloat16")
        for method, options in (("prorank", {}), ("setwise", {"mode": "likelihood", "children": 3, "k": 3})):
            paper = load(method)
            stage = paper.build(model, **options)
            stage = replace(stage, judge=replace(stage.judge, template=replace(stage.judge.template, words=words)))
            out[f"{method} {when}"] = ndcg(stage.batch(few), qrels)
            print(when, method, out[f"{method} {when}"], flush=True)
    return out


def scifact(folder: Path) -> tuple[list[Ranking], Mapping[str, Mapping[str, int]]]:
    """BM25's best 20 for SciFact's training claims."""
    from anyrank.index.build import build
    from anyrank.index.collection import Collection
    from anyrank.io import Dataset
    from anyrank.pipeline.parser import Settings, parse

    data = Dataset.open(str(DATA / "scifact"))
    qrels = data.qrels("train")
    build(data.documents(), folder / "index", overwrite=True)
    collection = Collection.open(folder / "index")
    queries = [q for q in data.queries() if q.id in qrels][:400]
    rankings = parse("bm25 % 20", Settings(collection)).batch([Ranking(q) for q in queries])
    for ranking in rankings:
        _ = [c.content for c in ranking]
    return rankings, qrels


def ndcg(rankings: Sequence[Ranking], qrels: Mapping[str, Mapping[str, int]]) -> float:
    """The mean nDCG@10."""
    lists = {r.query.id: list(r.ids) for r in rankings}
    values = Meter(("nDCG@10",), {q: qrels[q] for q in lists})(lists)["nDCG@10"]
    return sum(values) / len(values)


def main(part: str, *options: str) -> None:
    from transformers import utils

    torch.set_num_threads(1)
    quiet: Any = utils.logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("anyrank.train").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("start", "index"):
            (folder / name).mkdir()
        if part == "toy":
            result = toy(folder, int(options[0]) if options else 200)
        elif part == "smollm":
            result = smollm(folder, int(options[0]) if options else 40)
        else:
            result = prorank(folder)
    print(json.dumps({k: v for k, v in result.items() if k != "curve"}, indent=1))
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps({**known, part: result}, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
