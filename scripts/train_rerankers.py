"""Train rerankers of two sizes (tiny is the one that ships) on the groups of scripts/make_groups.py.

    python scripts/train_rerankers.py GROUPS OUT tiny|mini [--kind late|cross] [--groups N] [--loss NAME] [--seed N]
    python scripts/train_rerankers.py GROUPS OUT tiny|mini --finish             # of a training that is done

The body starts from a published encoder (SPLADE-tiny's, MiniLM-L6's). By late interaction training begins at about
MiniLM's own quality; a cross-encoder's head begins at random. It learns from texts cut at ``--learned`` tokens. What is
kept of late interaction is the average of the start's weights and the trained ones (as WiSE-FT, arXiv 2109.01903), with
``--share`` of the latter; it is exported for ``--length``. Choices are made by bench/bench_rerankers.py dev alone.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anyrank.hub.registry import resolve
from anyrank.models import model_class
from anyrank.train.export import export
from anyrank.train.group import Group
from anyrank.train.groups import read_groups
from anyrank.train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.setup import build

STARTS = {"tiny": ("splade-tiny-fp32", 5e-4, 8, 0.75), "mini": ("all-minilm-l6-v2", 5e-5, 4, 0.5)}
"""Of each size the start, the rate, groups a batch, and the share of the trained weights."""

CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # one pass over many texts: nothing to guard


def started(recipe: Recipe, groups: Sequence[Group]) -> Any:
    """The model before training."""
    model = build(recipe.model)
    if recipe.model.kind == "late":
        met = model.weigh_by_rarity([g.query for g in groups[:4000]], [t for g in groups for t in g.texts[:3]])
        logging.info("token weights begin by rarity: %.2f of its variance met", met)
    return model


def finish(recipe: Recipe, groups: Sequence[Group], share: float, length: int) -> bool:
    """Average, export, and say so in the card; whether the int8 graph agrees with its original."""
    out, kind = Path(recipe.out), model_class(recipe.model.kind)
    trained = out / "trained"  # the weights as training left them
    if not trained.exists():
        trained.mkdir()
        for file in (*out.glob("*.safetensors"), *out.glob("*.json"), out / "README.md"):
            shutil.copy(file, trained / file.name)
    model = kind.from_folder(trained, max_length=length).eval()
    card = (trained / "README.md").read_text("utf-8")
    if recipe.model.kind == "late":
        first = started(recipe, groups).state_dict()
        last = model.state_dict()
        model.load_state_dict(
            {k: (1 - share) * first[k] + share * v if v.is_floating_point() else v for k, v in last.items()}
        )
        card = card.replace(
            "\n- Seed", f"\n- Kept: the average of the start's weights and the trained, {share:g} of the latter\n- Seed"
        )
    model.save(out)
    done = export(model, out, groups, Export(least=0.98), recipe.seed)
    said = f"{done.what} {done.agreement:.4f} over {done.texts} texts"
    card = card.replace("None was made.", f"{said}, {done.bytes / 1e6:.1f} MB.")
    card = card.replace(
        f"at most {recipe.model.max_length} tokens", f"at most {length} tokens ({recipe.model.max_length} in training)"
    )
    (out / "README.md").write_text(card, "utf-8")
    print(said)
    return done.accepted


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
    parser.add_argument("--share", type=float)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--finish", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    start, rate, batch, share = STARTS[args.size]
    groups = list(read_groups(args.groups_folder / "train.jsonl"))
    random.Random(args.seed).shuffle(groups)
    recipe = Recipe(
        out=str(args.out),
        model=Model(kind=args.kind, start=str(resolve(start)), max_length=args.learned, options=CALM),
        data=Data(about="scripts/make_groups.py", licence="see below", texts=args.texts),
        losses=(Loss(name=args.loss),),
        optimiser=Optimiser(rate=args.rate or rate, batch=args.batch or batch, epochs=args.epochs, bf16=True),
        check=Check(every=500),
        export=Export(int8=False),
        seed=args.seed,
        threads=args.threads,
    )
    if not args.finish:
        train(recipe, train=groups[: args.groups or None], model=started(recipe, groups), resume=args.resume)
    sys.exit(not finish(recipe, groups, share if args.share is None else args.share, args.length))


if __name__ == "__main__":
    main()
