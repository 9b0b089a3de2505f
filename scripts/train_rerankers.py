"""Train the rerankers anyrank-tiny and anyrank-mini on the groups of scripts/make_groups.py.

    python scripts/train_rerankers.py GROUPS OUT tiny|mini [--kind late|cross] [--groups N] [--loss NAME] [--seed N]

The body starts from a published encoder (SPLADE-tiny's, MiniLM-L6's). By late interaction training begins at about
MiniLM's own quality; a cross-encoder's head begins at random. It learns from texts cut at ``--learned`` tokens, and is
exported for ``--length``. Choices are made by bench/bench_rerankers.py dev alone.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from pathlib import Path

from anyrank.backends.registry import resolve
from anyrank.train.export import export
from anyrank.train.groups import read_groups
from anyrank.train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import MODELS, build, train

STARTS = {"tiny": ("splade-tiny-fp32", 5e-4, 8), "mini": ("all-minilm-l6-v2", 5e-5, 4)}

CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # one pass over many texts: nothing to guard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups_folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("size", choices=sorted(STARTS))
    parser.add_argument("--kind", choices=("late", "cross"), default="late")
    parser.add_argument("--groups", type=int, default=0)
    parser.add_argument("--texts", type=int, default=8)
    parser.add_argument("--loss", default="margin_mse_all")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learned", type=int, default=128)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    start, rate, batch = STARTS[args.size]
    groups = list(read_groups(args.groups_folder / "train.jsonl"))
    random.Random(args.seed).shuffle(groups)
    recipe = Recipe(
        out=str(args.out),
        model=Model(kind=args.kind, start=str(resolve(start)), max_length=args.learned, options=CALM),
        data=Data(about="scripts/make_groups.py", licence="see NOTICE", texts=args.texts),
        losses=(Loss(name=args.loss),),
        optimiser=Optimiser(rate=args.rate or rate, batch=args.batch or batch, epochs=args.epochs, bf16=True),
        check=Check(every=500),
        export=Export(int8=False),
        seed=args.seed,
        threads=args.threads,
    )
    model = build(recipe.model)
    if args.kind == "late":
        met = model.weigh_by_rarity([g.query for g in groups[:4000]], [t for g in groups for t in g.texts[:3]])
        logging.info("token weights begin by rarity: %.2f of its variance met", met)
    train(recipe, train=groups[: args.groups or None], model=model, resume=args.resume)
    model = MODELS[args.kind].from_folder(args.out, max_length=args.length)
    model.save(args.out)
    done = export(model, args.out, groups, Export(least=0.98), args.seed)
    said = f"{done.what} {done.agreement:.4f} over {done.texts} texts"
    card = (args.out / "README.md").read_text("utf-8").replace("None was made.", f"{said}, {done.bytes / 1e6:.1f} MB.")
    card = card.replace(f"at most {args.learned} tokens", f"at most {args.length} tokens ({args.learned} in training)")
    (args.out / "README.md").write_text(card, "utf-8")
    sys.exit(0 if done.accepted else f"int8 graph refused: {said}")


if __name__ == "__main__":
    main()
