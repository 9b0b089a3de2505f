"""``anyrank ltr``: train trees that rank by features, explain them, and measure them on feature files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError, listed
from ..core.types import Ranking
from .common import SEED, IndexType, Number, OutputFile, as_json, as_json_option, is_dataset, report_status
from .near import Near
from .progress import batches

if TYPE_CHECKING:
    from ..judges.lambdamart import LambdaMart

Labelled = tuple[list[Ranking], list[tuple[int, ...]]]


@click.group("ltr", cls=Near)
def ltr_command() -> None:
    """Learning to rank by features (LambdaMART of LightGBM): remembered scores, fields, words, ready-made vectors.

    \b
    anyrank ltr train rank.train --valid 0.1 -o model.txt
    anyrank ltr eval model.txt rank.test -m nDCG@10
    anyrank ltr train scifact --split train --index scifact.index -p 'bm25 % 100 >> keep("bm25")' -o model.txt
    anyrank search scifact.index "query" -p 'bm25 % 100 >> keep("bm25") >> ltr("model.txt")'
    anyrank ltr explain model.txt
    """


@ltr_command.command("train")
@click.argument("data")
@click.option("-o", "--out", required=True, type=OutputFile(), help="The file of the model to write.")
@click.option("--index", type=IndexType(), help="The index to search, if DATA is a collection.")
@click.option("--split", help="The part of the collection to train on, such as train.")
@click.option(
    "-p",
    "--pipeline",
    help='The candidates of a collection\'s queries: \'bm25 % 100 >> keep("bm25") >> minilm >> keep("minilm")\'.',
)
@click.option(
    "--features",
    "families",
    default="",
    metavar="LIST",
    help="The families of features: score, meta, field, words, vector (with commas).  [default: vector for a feature "
    "file, all others for a collection]",
)
@click.option(
    "--text-field", "fields", multiple=True, default=("text", "title"), show_default=True,
    help="A field whose words are compared with the query's (repeat).",
)  # fmt: skip
@click.option(
    "--valid", default=0.1, show_default=True, type=Number(0, 0.9),
    help="The share of the queries that is held out to stop in time and to measure; 0: none.",
)  # fmt: skip
@click.option("--rounds", default=300, show_default=True, type=click.IntRange(1), help="The most trees.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the samples of rows and features.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of LightGBM, such as num_leaves=31."
)
def train_command(
    data: str,
    out: Path,
    index: Path | str | None,
    split: str | None,
    pipeline: str | None,
    families: str,
    fields: tuple[str, ...],
    valid: float,
    rounds: int,
    seed: int,
    settings: tuple[str, ...],
) -> int:
    """Train on DATA: a feature file (SVMlight with qid, or with a .query file beside it), or a collection (a BEIR
    folder, 'demo', 'irds:…') with --index and --pipeline."""
    from ..judges.features import Features
    from ..judges.lambdamart import LambdaMart

    parameters = {name: _value(text) for name, text in map(_pair, settings)}
    code = 0
    if is_dataset(data):
        if index is None or pipeline is None:
            raise InputError("a collection needs --index and --pipeline, which find the candidates")
        rankings, grades, code = _candidates(data, split, index, pipeline)
    else:
        if index is not None or pipeline is not None or split is not None:
            raise InputError("--index, --pipeline and --split go with a collection, and DATA is a feature file")
        from ..io.libsvm import read_libsvm

        rankings, grades = read_libsvm(data)
    parts: tuple[Labelled, Labelled] = ([], []), ([], [])
    for ranking, values in zip(rankings, grades):
        held_out = zlib.crc32(f"{seed}/{ranking.query.id}".encode()) % 10_000 < valid * 10_000
        parts[held_out][0].append(ranking)
        parts[held_out][1].append(values)
    train, check = parts
    features = Features.of(train[0], [f.strip() for f in families.split(",") if f.strip()], fields)
    model = LambdaMart.fit(*train, features, check if check[0] else None, rounds=rounds, seed=seed, settings=parameters)
    model.save(out)
    facts = model.facts
    click.echo(f"{facts['trees']} trees over {len(features.names)} features, from {facts['queries']} queries", err=True)
    if not model.importances:
        text = "the trees have no split, so that all candidates score alike: train on more queries, or allow smaller"
        click.echo(f"note: {text} leaves (--set min_data_in_leaf=…)", err=True)
    if check[0]:
        before, after = (_ndcg(r, check) for r in (check[0], _ranked(model, check[0])))
        click.echo(
            f"{len(check[0])} queries held out: nDCG@10 as given {before:.4f}, by the trees {after:.4f}", err=True
        )
    click.echo(f"wrote {out}", err=True)
    return code


@ltr_command.command("explain")
@click.argument("model", type=click.Path())
@click.option("-n", "most", default=20, show_default=True, type=click.IntRange(1), help="The most features listed.")
@as_json_option
def explain_command(model: str, most: int, json_out: bool) -> int:
    """Print the features of MODEL by their importance: the share of the gain of all splits."""
    from ..judges.lambdamart import LambdaMart

    trees = LambdaMart.load(model)
    shares = list(trees.importances.items())
    if json_out:
        click.echo(as_json({"importances": dict(shares), "facts": dict(trees.facts)}))
        return 0
    for name, share in shares[:most]:
        click.echo(f"{share:7.1%}  {name}")
    unused = len(trees.features.names) - len(shares)
    click.echo(f"{len(shares)} features are used, {unused} are not", err=True)
    return 0


@ltr_command.command("eval")
@click.argument("model", type=click.Path())
@click.argument("data")
@click.option("-m", "--measure", "measures", multiple=True, default=("nDCG@10",), show_default=True, help="A measure.")
@click.option("-o", "--out", type=OutputFile(), help="Write the ranking to this file, as a TREC run.")
def eval_command(model: str, data: str, measures: tuple[str, ...], out: Path | None) -> int:
    """Rank the feature file DATA by MODEL and measure the order by the file's grades."""
    from ..evaluate.evaluation import evaluate
    from ..io.libsvm import read_libsvm
    from ..io.runs import write_run
    from ..judges.lambdamart import LambdaMart

    trees = LambdaMart.load(model)
    given, grades = read_libsvm(data, len(trees.features.names))
    _check_width(trees, given, data)
    ranked = _ranked(trees, given)
    if out is not None:
        write_run(out, ranked, "ltr")
    result = evaluate({"as given": given, "ltr": ranked}, _qrels((given, grades)), measures)
    click.echo(result.table("text"))
    return report_status(ranked)


def _check_width(trees: LambdaMart, given: Sequence[Ranking], data: str) -> None:
    """Raises InputError if a feature file isn't one of the trees': they read no vectors, or fewer values. Says on
    standard error if the file lacks the last ones, since it may have left out zeros, or be another file."""
    from ..io.libsvm import FEATURES
    from ..judges.features import INCOMING

    expected = [name for name in trees.features.names if name.startswith("vector.")]
    if not expected:
        if set(trees.features.names).isdisjoint(INCOMING):
            shown = listed(trees.features.names, 4)
            raise InputError(f"the trees read {shown}, and a feature file has none of these: use them in a pipeline")
        return
    width = 1 + max(int(name.removeprefix("vector.")) for name in expected)
    values = [c.meta[FEATURES] for r in given for c in r]
    longest = max((len(v) for v in values), default=0)
    if longest > width:
        raise InputError(
            f"the trees read features 0 to {width - 1}, and the file has them up to {longest - 1}: train the trees on "
            "files of this kind",
            path=data,
        )
    last = max((i for v in values for i in range(len(v)) if v[i]), default=-1)
    if last < width - 1:
        click.echo(
            f"the trees read features 0 to {width - 1}, and the highest of the file that isn't 0 is {last}: the others "
            "count as 0",
            err=True,
        )


def _ranked(model: Any, rankings: Sequence[Ranking]) -> list[Ranking]:
    from ..core.groupings import Whole
    from ..core.rerank import Rerank

    return Rerank(model, Whole(), name="ltr").batch(rankings)


def _qrels(part: tuple[Sequence[Ranking], Sequence[Sequence[int]]]) -> dict[str, dict[str, int]]:
    return {r.query.id: dict(zip(r.ids, values)) for r, values in zip(*part, strict=True)}


def _ndcg(rankings: Sequence[Ranking], part: tuple[Sequence[Ranking], Sequence[Sequence[int]]]) -> float:
    """The mean nDCG@10 among the candidates."""
    from ..evaluate.measures import Meter

    values = Meter(["nDCG@10"], _qrels(part))({r.query.id: r.ids for r in rankings})["nDCG@10"]
    return sum(values) / len(values)


def _candidates(data: str, split: str | None, index: Path | str, pipeline: str) -> tuple[list[Ranking], list[Any], int]:
    """The rankings of a collection's judged queries, their grades (unjudged: 0), and the exit code."""
    from ..io.dataset import Dataset
    from ..pipeline.parser import Settings, parse
    from ..stores.open import open_index

    dataset = Dataset.open(data)
    if split is None and len(dataset.splits()) > 1:
        raise InputError(f"{data} has several parts: name one with --split ({', '.join(dataset.splits())})")
    part = dataset.chosen(split)
    qrels = dataset.qrels(part)
    stage = parse(pipeline, Settings(open_index(index), remember=True))
    rankings = [r for r in batches(stage, [Ranking(q) for q in dataset.queries(part)], "searching") if len(r)]
    grades = [tuple(max(qrels.get(r.query.id, {}).get(i, 0), 0) for i in r.ids) for r in rankings]
    return rankings, grades, report_status(rankings)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text}: expected NAME=VALUE, as num_leaves=31")
    return name, value


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
