"""``anyrank train``: train a model by a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click


@click.command("train")
@click.argument("recipe", type=click.Path(dir_okay=False))
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="The result's folder, in place of "
              "the recipe's.")  # fmt: skip
@click.option("--seed", type=int, help="In place of the recipe's.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another value than the recipe's, dots "
              "between the names (optimiser.rate=1e-4).")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, to the same weights as if never stopped.")
def train_command(recipe: str, out: Path | None, seed: int | None, settings: tuple[str, ...], resume: bool) -> int:
    """Train a reranker or an encoder by RECIPE, a YAML file; a card of data, seed, commit and measured effect, and an
    int8 graph that the base install runs, are written beside the model.

    \b
    anyrank train recipe.yaml
    anyrank rerank lists.jsonl -p 'model("runs/mine")'
    """
    import sys
    from dataclasses import replace

    from ..backends.hf.load import torch_module
    from ..train.recipe import read_recipe
    from ..train.settings import with_settings

    torch_module()
    training = with_settings(read_recipe(recipe), settings)
    if out is not None:
        training = replace(training, out=str(out))
    if seed is not None:
        training = replace(training, seed=seed)
    from transformers import utils

    from ..train.run import train

    chatter: Any = utils.logging
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()
    logging.getLogger("anyrank.train").setLevel(logging.INFO)
    done = train(training, resume=resume, progress=sys.stderr.isatty())
    if done.effect is not None:
        click.echo(done.effect.table())
    if done.exported is not None:
        verb = "int8 graph" if done.exported.accepted else "int8 graph refused"
        click.echo(f"{verb}: {done.exported.what} {done.exported.agreement:.4f}", err=True)
    click.echo(f"wrote {done.folder}", err=True)
    return int(done.exported is not None and not done.exported.accepted)
