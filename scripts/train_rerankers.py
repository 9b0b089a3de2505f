"""Train the cross-encoders anyrank-tiny and anyrank-mini on the groups of scripts/make_groups.py.

    python scripts/train_rerankers.py GROUPS OUT tiny|mini [--groups N] [--texts N] [--loss NAME] [--seed N] [--resume]

The body starts from a published encoder (SPLADE-tiny's, MiniLM-L6's), its head at random. Choices were made on the
validation groups alone: SciFact's held-out training claims, NFCorpus dev, CoSQA dev.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from pathlib import Path

from anyrank.backends.registry import resolve
from anyrank.io.qrels import read_qrels
from anyrank.train.groups import read_groups
from anyrank.train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import Validation, scores

STARTS = {"tiny": ("splade-tiny-fp32", 5e-4, 16), "mini": ("all-minilm-l6-v2", 1e-4, 8)}
VALID = ("scifact", "nfcorpus", "cosqa")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups_folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("size", choices=sorted(STARTS))
    parser.add_argument("--groups", type=int, default=0)
    parser.add_argument("--texts", type=int, default=0)
    parser.add_argument("--loss", default="margin_mse_all")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--length", type=int, default=160)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    start, rate, batch = STARTS[args.size]
    groups = list(read_groups(args.groups_folder / "train.jsonl"))
    random.Random(args.seed).shuffle(groups)
    recipe = Recipe(
        out=str(args.out),
        model=Model(start=str(resolve(start)), max_length=args.length),
        data=Data(about="scripts/make_groups.py", licence="see NOTICE", texts=args.texts),
        losses=(Loss(name=args.loss),),
        optimiser=Optimiser(rate=args.rate or rate, batch=batch, bf16=True),
        check=Check(every=500),
        export=Export(least=0.98),
        seed=args.seed,
        threads=args.threads,
    )
    done = train(recipe, train=groups[: args.groups or None], resume=args.resume)
    found = {}
    for name in VALID:
        judged = list(read_groups(args.groups_folder / f"valid-{name}.jsonl"))
        value = Validation(judged, qrels=read_qrels(args.groups_folder / f"valid-{name}.tsv"))(
            lambda g: scores(done.model, g)
        )
        found[name] = round(value, 4)
    print(json.dumps({"valid nDCG@10": found, "int8": done.exported and round(done.exported.agreement, 4)}))


if __name__ == "__main__":
    main()
