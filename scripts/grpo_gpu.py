"""GRPO at real size on one GPU, within some ten minutes: a small Qwen or SmolLM2 learns to give verdicts on SciFact.

    python scripts/grpo_gpu.py OUT [--start Qwen/Qwen2.5-0.5B-Instruct] [--minutes 8] [--batch 16] [--words 200]
    python scripts/grpo_gpu.py OUT --tiny        # starts on a CPU with a random model, to see that everything is there

Needs the extras train, rl and eval, and the optional data (ANYRANK_DATA, or ../shared/data; not with --tiny). Written
to OUT: the model of stage 1 (GRPO), that of stage 2 (BCE of the logits' difference), and result.json: form, truth and
nDCG@10 of `prorank` on 100 held-out claims at the start and after each stage, steps, and seconds. The number of steps
is fixed by timing the first three.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import torch
from bench_grpo import WORDS, choices, ndcg, scifact

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.papers import load
from anyrank.testing.tiny import chooser
from anyrank.train.mining import mined
from anyrank.train.recipe import Check, Optimiser
from anyrank.train.run import train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", default="Qwen/Qwen2.5-0.5B-Instruct")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for folder in ("index", "start"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    if options.tiny:
        start, length, dtype = chooser(options.out / "start", WORDS), 256, "float32"
        groups, valid = choices(40, 4), choices(8, 4, seed=1)
        held_out = [Ranking(Query(g.id, g.query), tuple(Candidate(t, t) for t in g.texts)) for g in valid]
        qrels = {g.id: {g.texts[0]: 1} for g in valid}
    else:
        start, length, dtype = options.start, 1024, "bfloat16"
        rankings, qrels = scifact(options.out)
        held_out, training = rankings[-100:], rankings[:-100]
        groups, valid = list(mined(training, qrels, 7)), list(mined(held_out, qrels, 7))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    result: dict[str, object] = {"start": start, "device": device}

    def quality(name: str) -> float:
        model = open_model(f"hf:{name}", dtype=dtype)
        stage = load("prorank").build(model)
        judge = replace(stage.judge, template=replace(stage.judge.template, words=options.words))
        return ndcg(replace(stage, judge=judge).batch(held_out), qrels)

    recipe = load("prorank").recipe
    first = recipe(str(options.out / "first"), (), start=start)

    rl = replace(first.rl, tokens=2, words=options.words, dtype=dtype)
    half = torch.cuda.is_available()
    optimiser = Optimiser(rate=2e-6, batch=options.batch, steps=3, warmup=0.0, decay=0.0, bf16=half)
    first = replace(first, rl=rl, optimiser=optimiser, check=Check(every=100_000))
    first = replace(first, model=replace(first.model, max_length=length))
    begun = time.time()
    trial = train(replace(first, out=str(options.out / "trial")), train=groups, valid=valid[:4])
    step = sum(line["step_time"] for line in trial.log[1:]) / 2
    steps = 4 if options.tiny else max(10, int(options.minutes * 60 * 0.6 / step))
    result |= {"seconds a step": step, "steps": steps, "nDCG@10 start": quality(start)}
    done = train(replace(first, optimiser=replace(optimiser, steps=steps)), train=groups, valid=valid)
    result |= {"rewards": done.rewards, "curve": [line["reward"] for line in done.log]}
    result["nDCG@10 stage 1"] = quality(str(options.out / "first"))
    second = recipe(str(options.out / "second"), (), stage=2, start=str(options.out / "first"))
    second = replace(second, model=replace(second.model, max_length=length), check=Check(every=100_000))
    second = replace(second, optimiser=replace(second.optimiser, steps=4 if options.tiny else 60, bf16=optimiser.bf16))
    train(second, train=groups)
    result["nDCG@10 stage 2"] = quality(str(options.out / "second"))
    result["seconds"] = time.time() - begun
    text = json.dumps(result, indent=1)
    (options.out / "result.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
