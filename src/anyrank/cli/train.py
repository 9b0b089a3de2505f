"""``anyrank train``: train a model by a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click


@click.command("train")
@click.argument("recipe", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write, in place of the recipe's.",
)
@click.option("--seed", type=int, help="The seed, in place of the recipe's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a value of the recipe, with dots between the names (optimiser.rate=1e-4).",
)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint; the result is the same.")
def train_command(recipe: str, out: Path | None, seed: int | None, settings: tuple[str, ...], resume: bool) -> int:
    """Train a reranker or an encoder as RECIPE, a YAML file, says. Beside the model are written a card (data, seed,
    commit, measured effect) and an int8 ONNX graph, which runs without torch.

    \b
    anyrank train recipe.yaml
    anyrank rerank lists.jsonl -p 'model("runs/mine")'
    """
    import sys
    from dataclasses import replace

    from ..backends.hf.load import torch_module
    from ..core.errors import InputError
    from ..train.recipe import read_recipe
    from ..train.settings import with_settings

    if not Path(recipe).is_file():  # before packages are asked for
        raise InputError("no such recipe", path=recipe)
    torch_module("train")
    training = with_settings(read_recipe(recipe), settings)
    if out is not None:
        training = replace(training, out=str(out))
    if seed is not None:
        training = replace(training, seed=seed)
    from transformers import utils

    from ..train.divergence import Diverged
    from ..train.run import train

    logs: Any = utils.logging
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    logging.getLogger("anyrank.train").setLevel(logging.INFO)
    try:
        result = train(training, resume=resume, progress=sys.stderr.isatty())
    except Diverged as error:
        click.echo(f"anyrank: {error}", err=True)
        return 4
    except KeyboardInterrupt:
        if any(Path(training.out).glob("**/checkpoint-*")):
            click.echo("stopped: the same command with --resume goes on from the last checkpoint", err=True)
        raise
    for name, effect in result.effects.items():
        click.echo(f"{name}:" if name else "", nl=bool(name))
        click.echo(effect.table())
    if result.exported is not None:
        verb = "int8 graph" if result.exported.accepted else "int8 graph refused"
        click.echo(f"{verb}: {result.exported.what} {result.exported.agreement:.4f}", err=True)
    click.echo(f"wrote {result.folder}", err=True)
    return int(result.exported is not None and not result.exported.accepted)
