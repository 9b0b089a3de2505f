"""``anyrank train``: train a model by a recipe."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from .common import SEED, as_json, as_json_option

if TYPE_CHECKING:
    from ..train.recipe import Recipe


@click.command("train")
@click.argument("recipes", type=click.Path(), nargs=-1, required=True, metavar="RECIPE...")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write, in place of the recipe's.",
)
@click.option("--seed", type=SEED, help="The seed, in place of the recipe's.")
@click.option(
    "--seeds",
    metavar="N or LIST",
    help="Train by several seeds, in OUT/seed-…: so many from the recipe's on (3), or a list (1,2,3).",
)
@click.option("--table", "table_only", is_flag=True, help="Train nothing: RECIPE... are folders to compare.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a value of the recipe, with dots between the names (optimiser.rate=1e-4).",
)
@click.option("--plan", "plan_only", is_flag=True, help="Train nothing: say data, steps, weights, memory and time.")
@as_json_option
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint; the result is the same.")
def train_command(
    recipes: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    seeds: str | None,
    table_only: bool,
    settings: tuple[str, ...],
    plan_only: bool,
    json_out: bool,
    resume: bool,
) -> int:
    """Train a reranker or an encoder as RECIPE, a YAML file, says. Beside the model are written a card (data, seed,
    commit, measured effect) and an int8 ONNX graph, which runs without torch. Several recipes or seeds end with a table
    of their validation, with intervals. Several GPUs: torchrun --nproc-per-node N -m anyrank train RECIPE.

    \b
    anyrank train recipe.yaml
    anyrank train recipe.yaml --plan
    anyrank train ranknet.yaml listnet.yaml --seeds 3
    anyrank train --table runs/ranknet runs/listnet
    anyrank rerank lists.jsonl -p 'model("runs/mine")'
    """
    from ..backends.hf.load import torch_module
    from ..train.recipe import read_recipe
    from ..train.settings import with_settings

    if table_only:
        if out or seeds or settings or resume or plan_only or seed is not None:
            raise InputError("--table trains nothing: it takes folders of trainings and no other option")
        return _table(recipes)
    if seeds is not None and seed is not None:
        raise InputError("choose one of --seed and --seeds")
    if json_out and not plan_only:
        raise InputError("--json goes with --plan: results of trainings are in their folders")
    if plan_only and (seeds or resume):
        raise InputError("--plan is of one training of each recipe: leave --seeds and --resume out")
    if out is not None and len(recipes) > 1:
        raise InputError("--out goes with one recipe: each of several has its own")
    for recipe in recipes:
        if not Path(recipe).is_file():  # before packages are asked for
            raise InputError("no such recipe", path=recipe)
    torch_module("train")
    trainings = [with_settings(read_recipe(recipe), settings) for recipe in recipes]
    if out is not None:
        trainings = [replace(training, out=str(out)) for training in trainings]
    if seed is not None:
        trainings = [replace(training, seed=seed) for training in trainings]
    folders = [training.out for training in trainings]
    if twice := next((f for f in folders if folders.count(f) > 1), None):
        raise InputError(f"two recipes write to {twice}: give each an out of its own")
    if wrong := next((f for f in folders if Path(f).is_file()), None):
        raise InputError("out is a file: expected a folder for the model", path=wrong)
    if plan_only:
        _plan(trainings, json_out)
        return 0
    from ..train.seeds import finished, seeds_of, with_seed

    if seeds is not None:
        trainings = [with_seed(t, s) for t in trainings for s in seeds_of(seeds, t.seed)]
    validated = all(t.data.valid or t.data.valid_sets for t in trainings)
    if len(trainings) > 1 and not validated:  # before the hours that they take
        click.echo("note: there will be no table: the recipes have no validation data (data.valid)", err=True)
    code = 0
    for training in trainings:
        if resume and len(trainings) > 1 and finished(training):
            click.echo(f"{training.out} is finished", err=True)
            continue
        code = max(code, _train(training, resume))
        if code == 4:
            return code
    if len(trainings) > 1 and validated:
        _table(folders)
    return code


def _plan(trainings: Sequence[Recipe], json_out: bool) -> None:
    """Print what trainings would do; of several as a JSON list."""
    from transformers import utils

    from ..train.plan import plan

    logs: Any = utils.logging
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    plans = [plan(training) for training in trainings]
    if json_out:
        rows = [p.as_dict() for p in plans]
        click.echo(as_json(rows if len(rows) > 1 else rows[0]))
    else:
        click.echo("\n\n".join(map(str, plans)))


def _train(training: Recipe, resume: bool) -> int:
    """Train one recipe and print its effect; returns the exit code."""
    import sys

    from transformers import utils

    from ..train.divergence import Diverged
    from ..train.loop import is_first
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
    if not is_first():
        return 0
    for name, effect in result.effects.items():
        if name:
            click.echo(f"{name}:")
        click.echo(effect.table())
    if result.rewards is not None:
        before, after = result.rewards
        for name, value in before.items():
            click.echo(f"{name} {value:.3f} -> {after[name]:.3f}")
    if result.exported is not None:
        verb = "int8 graph" if result.exported.accepted else "int8 graph refused"
        click.echo(f"{verb}: {result.exported.what} {result.exported.agreement:.4f}", err=True)
    click.echo(f"wrote {result.folder}", err=True)
    return int(result.exported is not None and not result.exported.accepted)


def _table(folders: Sequence[str]) -> int:
    """Print the table of some folders of trainings."""
    from ..train.seeds import table

    click.echo(table(folders))
    return 0
