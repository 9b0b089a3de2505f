"""``anyrank recommend``: recommend items to users by interactions and by texts, and measure it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError, MissingExtra
from .common import SEED, Command, Number, OutputFile, as_json, as_json_option
from .near import Near

if TYPE_CHECKING:
    from ..domains.recommend.interactions import Interactions, Row
    from ..domains.recommend.measures import Scores

BUILT_IN = ("popularity", "bm25", "lightgcn", "lightgcn+texts")


@click.group("recommend", cls=Near)
def recommend_command() -> None:
    """Recommend items to users: by popularity, by words or vectors of profiles, by the graph of interactions.

    \b
    anyrank recommend eval ratings.csv --items movies.csv -m popularity -m bm25 -m minilm -m lightgcn
    anyrank recommend train ratings.csv --items movies.csv -o runs/easyrec
    anyrank recommend rank ratings.csv --items movies.csv -m runs/easyrec -k 10 -o run.trec
    """


def _tables(command: Command) -> Command:
    """Add the argument and options of the tables."""
    for option in (
        click.argument("interactions", type=click.Path()),
        click.option("--items", type=click.Path(), help="The table of items, with an id and texts or fields."),
        click.option("--users", type=click.Path(), help="The table of users, with an id and fields."),
        click.option("--least", type=Number(), help="Only interactions with a rating of at least this."),
        click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of splits and trainings."),
    ):
        command = option(command)
    return command


def _method_option(many: bool) -> Callable[[Command], Command]:
    return click.option(
        "-m", "--method", "methods" if many else "method", multiple=many,
        default=("popularity", "bm25") if many else "popularity", show_default=True,
        help=f"{', '.join(BUILT_IN)}, or an encoder of profiles by name or folder, as minilm.",
    )  # fmt: skip


@recommend_command.command("eval")
@_tables
@_method_option(many=True)
@click.option(
    "--test", default=0.2, show_default=True, type=Number(), help="The share of each user's interactions held out."
)
@click.option(
    "--cold", default=0.1, show_default=True, type=Number(), help="The share of items that training never sees."
)
@click.option("-k", default=20, show_default=True, type=click.IntRange(1), help="The cut-off of the measures.")
@as_json_option
def eval_command(
    interactions: str, items: str | None, users: str | None, least: float | None, seed: int,
    methods: tuple[str, ...], test: float, cold: float, k: int, json_out: bool,
) -> int:  # fmt: skip
    """Measure methods on a table of INTERACTIONS (CSV, RecBole's .inter, MovieLens' u.data): Recall@k and nDCG@k of
    what was held out, of items that training saw (warm) and of those that it didn't (cold, ranked among themselves)."""
    from ..domains.recommend.measures import full_ranking
    from ..domains.recommend.split import split

    data, item_rows, user_rows = _read(interactions, items, users, least)
    parts = split(data, test, cold, seed)
    measured = {"warm": (parts.warm, ~parts.cold_items), "cold": (parts.cold, parts.cold_items)}
    measured = {name: part for name, part in measured.items() if len(part[0].pairs)}
    if not measured:
        raise InputError("nothing is held out, so nothing can be measured: raise --test or --cold")
    rows: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(methods):
        scores = _scores(method, parts.train, item_rows, user_rows, seed)
        rows[method] = {}
        for name, (held_out, among) in measured.items():
            quality = full_ranking(scores, parts.train, held_out, k, among)
            rows[method] |= {f"{name} Recall@{k}": quality.recall, f"{name} nDCG@{k}": quality.ndcg}
    if json_out:
        click.echo(as_json(rows))
        return 0
    width = max(map(len, methods))
    names = list(next(iter(rows.values())))
    click.echo(f"{'':{width}}  " + "  ".join(names))
    for method, values in rows.items():
        click.echo(f"{method:{width}}  " + "  ".join(f"{values[n]:{len(n)}.4f}" for n in names))
    sizes = f"{len(parts.train.pairs):,} interactions trained on; held out: {len(parts.warm.pairs):,} warm"
    cold_items = int(parts.cold_items.sum())
    new = f"{len(parts.cold.pairs):,} cold ({cold_items:,} item{'s' if cold_items != 1 else ''})"
    click.echo(f"{sizes}, {new}", err=True)
    return 0


@recommend_command.command("rank")
@_tables
@_method_option(many=False)
@click.option("-k", default=20, show_default=True, type=click.IntRange(1), help="Items for each user.")
@click.option("-o", "--out", type=OutputFile(), help="Write a TREC run: users as queries.")
def rank_command(
    interactions: str, items: str | None, users: str | None, least: float | None, seed: int, method: str, k: int,
    out: Path | None,
) -> int:  # fmt: skip
    """The best items for each user that the user has not interacted with, by all INTERACTIONS."""
    from ..core.types import Candidate, Query, Ranking
    from ..domains.recommend.measures import BATCH, best
    from ..io.runs import write_run

    data, item_rows, user_rows = _read(interactions, items, users, least)
    scores, seen = _scores(method, data, item_rows, user_rows, seed), data.by_user()
    rankings = []
    for start in range(0, len(data.users), BATCH):
        part = list(range(start, min(start + BATCH, len(data.users))))
        values = scores(part)
        for row, user, ranked in zip(values, part, best(values, [seen[u] for u in part], k)):
            members = tuple(Candidate(data.items[i], None, float(row[i])) for i in ranked)
            rankings.append(Ranking(Query(data.users[user]), members))
    if out is not None:
        write_run(out, rankings, method.replace(" ", "_").replace("/", "_"))
        click.echo(f"wrote {out}", err=True)
        return 0
    for ranking in rankings:
        click.echo(as_json({"user": ranking.query.id, "items": ranking.ids}))
    return 0


@recommend_command.command("train")
@_tables
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="The folder of the encoder.")
@click.option("--start", default="all-minilm-l6-v2", show_default=True, help="The encoder to start from.")
@click.option("--epochs", default=3, show_default=True, type=click.IntRange(1), help="Epochs: a sample a user each.")
@click.option("--batch", default=64, show_default=True, type=click.IntRange(2), help="Users a step.")
@click.option("--rate", default=1e-4, show_default=True, type=Number(), help="The learning rate.")
@click.option(
    "--test", default=0.0, show_default=True, type=Number(), help="Hold out this share of interactions, as eval does."
)
@click.option(
    "--cold", default=0.0, show_default=True, type=Number(), help="Hold out this share of items, as eval does."
)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint.")
def train_command(
    interactions: str, items: str | None, users: str | None, least: float | None, seed: int, out: str, start: str,
    epochs: int, batch: int, rate: float, test: float, cold: float, resume: bool,
) -> int:  # fmt: skip
    """Train an encoder of profiles on INTERACTIONS as EasyRec does (arXiv 2408.08821). To measure it by eval, hold out
    the same: --test 0.2 --cold 0.1 and the same seed."""
    from ..backends.hf.load import quiet, torch_module

    torch_module("train")
    from ..domains.recommend.profiles import item_profiles, user_profiles
    from ..domains.recommend.split import split
    from ..domains.recommend.training import Drawn, train
    from ..papers import load

    if items is None:
        raise InputError("an encoder reads profiles of items: give their table by --items")
    data, item_rows, user_rows = _read(interactions, items, users, least)
    part = split(data, test, cold, seed).train
    texts = item_profiles(part, item_rows)
    versions = [user_profiles(part, texts, user_rows, version) for version in range(3)]
    recipe = load("easyrec").recipe(out, (), start=start, pooling="mean")
    recipe = replace(recipe, seed=seed, optimiser=replace(recipe.optimiser, epochs=epochs, batch=batch, rate=rate))
    with quiet():
        train(recipe, Drawn(part, versions, [texts], seed), resume=resume, progress=sys.stderr.isatty())
    click.echo(f"wrote {out}", err=True)
    return 0


def _read(
    interactions: str, items: str | None, users: str | None, least: float | None
) -> tuple[Interactions, dict[str, Row], dict[str, Row]]:
    """The interactions, and the rows of items and users by id."""
    from ..domains.recommend.interactions import ITEM, USER, read_attributes, read_interactions

    for path in (interactions, items, users):
        if path is not None and Path(path).is_dir():
            what = "interactions" if path == interactions else "items" if path == items else "users"
            raise InputError(f"is a folder: name the table of {what} in it, such as {what}.csv", path=path)
    item_rows = {} if items is None else read_attributes(items, ITEM)
    user_rows = {} if users is None else read_attributes(users, USER)
    data = read_interactions(interactions, float("-inf") if least is None else least, item_rows)
    ids = {data.items[i] for i in set(data.pairs[:, 1].tolist())}
    if items is not None and ids.isdisjoint(item_rows):
        raise InputError("none of the items of the interactions is in this table: the ids differ", path=items)
    if items is not None and (absent := sorted(ids - item_rows.keys())):
        text = f"note: {len(absent):,} of {len(ids):,} items have no row in {items}, such as {absent[0]}"
        click.echo(f"{text}: nothing is known of them but who took them", err=True)
    return data, item_rows, user_rows


def _scores(method: str, train: Interactions, items: dict[str, Row], users: dict[str, Row], seed: int) -> Scores:
    """The ranker of a method, trained on the interactions."""
    from ..domains.recommend import rankers
    from ..domains.recommend.profiles import item_profiles, user_profiles

    if method == "popularity":
        return rankers.popularity(train)
    if method == "lightgcn":
        return _lightgcn(train, seed, None, None)
    if not items:
        raise InputError(f"{method} reads profiles of items: give their table by --items")
    texts = item_profiles(train, items)
    profiles = user_profiles(train, texts, users)
    if method == "bm25":
        return rankers.bm25(profiles, texts)
    from ..hub.open import open_model
    from ..vectors import Encoder

    encoder = open_model("minilm" if method == "lightgcn+texts" else method)
    if not isinstance(encoder, Encoder):
        raise InputError(f"{method} makes no vectors: choose an encoder, or one of {', '.join(BUILT_IN)}")
    if method == "lightgcn+texts":
        return _lightgcn(train, seed, *(encoder.encode(x).vectors.arrays()["dense"] for x in (profiles, texts)))
    return rankers.encoded(encoder, profiles, texts)


def _lightgcn(train: Interactions, seed: int, users: Any, items: Any) -> Scores:
    try:
        from ..domains.recommend.lightgcn import LightGCN, Shape
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    return LightGCN(train, Shape() if users is not None else Shape(weight=0.0), users, items, seed).fit().scores
