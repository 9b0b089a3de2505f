"""``anyrank play``: the playground, a page on which pipelines are compared side by side and judged."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click

from .common import Number

DEFAULT = ("mini", "tiny", "minilm")


@click.command("play")
@click.argument("index", required=False)
@click.option(
    "-p", "--pipeline", "pipelines", multiple=True, help="A pipeline to begin with (repeat).  [default: mini]"
)
@click.option("--queries", default="", help="Queries of the index: JSONL, id<TAB>text, or a collection's folder.")
@click.option("--qrels", default="", help="Judgements of these queries, to compare by nDCG@10.")
@click.option("--spectra", default="", help="A file of spectra (MGF, mzML), whose peptides are reranked and drawn.")
@click.option("--engine", "engines", multiple=True, help="Peptides proposed for them, as NAME=FILE (repeat).")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port; 0: any free.")
@click.option("--deadline", default=60.0, show_default=True, type=Number(0, min_open=True), help="Seconds.")
@click.option("--open/--no-open", "opened", default=True, help="Open the page in the browser.")
def play_command(
    index: str | None,
    pipelines: tuple[str, ...],
    queries: str,
    qrels: str,
    spectra: str,
    engines: tuple[str, ...],
    port: int,
    deadline: float,
    opened: bool,
) -> int:
    """Open the playground on this machine: paste a query and documents, or search INDEX (made by 'anyrank index';
    'demo' is the bundled collection), with two to four pipelines side by side.

    The page is answered at 127.0.0.1 alone, and may run any pipeline, as the command line does. 'anyrank serve' has it
    too, for shipped and served stages.

    \b
    anyrank play
    anyrank play my.index --queries topics.tsv --qrels my.qrels
    anyrank play --spectra run.mgf --engine casanovo=run.mztab
    """
    from ..serve.run import Options, serve

    with tempfile.TemporaryDirectory(prefix="anyrank-play-") as folder:
        if index == "demo":
            from ..index.build import build
            from ..io.dataset import Dataset

            click.echo("indexing the bundled collection", err=True)
            index, queries = str(Path(folder) / "demo.index"), queries or "demo"
            build(Dataset.open("demo").documents(), index)
        texts = pipelines or DEFAULT
        options = Options(
            texts,
            index=index or "",
            port=port,
            seconds=deadline,
            free=True,
            queries=queries,
            qrels=qrels,
            spectra=spectra,
            engines=engines,
        )

        def ready(port: int) -> None:
            url = f"http://127.0.0.1:{port}/"
            click.echo(f"the playground is at {url} (stop with Ctrl-C)", err=True)
            if opened:
                webbrowser.open(url)

        serve(options, ready)
    return 0
