"""``anyrank images``: search a folder of pictures by words or by a picture, and rerank what was found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from ..core.content import Image, is_blank
from ..core.errors import InputError, ModelError, quoted
from ..core.types import Candidate, Query, Ranking
from .common import (
    Command,
    PageFile,
    as_json,
    as_json_option,
    call_log,
    echo_cut,
    log_option,
    printable,
    report_status,
)
from .near import Near
from .progress import advance, progress

INDEX = ".anyrank"
"""The folder within that of the pictures that holds their index, unless another is named."""
By = Literal["similarity", "yes-no", "order"]


@click.group("images", cls=Near)
def images_command() -> None:
    """Search a folder of pictures by words or by a picture, and rerank what was found.

    \b
    anyrank images index photos --model openai/clip-vit-base-patch32
    anyrank images search photos "a red bicycle" --page found.html
    anyrank images search photos --like photos/bicycle.jpg
    anyrank images rerank photos "a red bicycle" --model openai:MODEL@http://127.0.0.1:8000/v1
    """


def _index_option(command: Command) -> Command:
    return click.option(
        "--index",
        "index_folder",
        type=click.Path(path_type=Path),
        help=f"The folder of the index, if not {INDEX} within that of the pictures.",
    )(command)


def _query_options(command: Command) -> Command:
    """Add the query, the first stage and the forms of the result."""
    options: list[Callable[[Command], Command]] = [
        click.argument("folder", type=click.Path(path_type=Path)),
        click.argument("query", required=False),
        click.option("--like", type=click.Path(path_type=Path), help="A picture to search by, in place of words."),
        _index_option,
        click.option("-p", "--pipeline", help="How the index is searched; by default by all that it holds, fused."),
        click.option("--page", type=PageFile(), help="Write a page of thumbnails to this HTML file."),
        as_json_option,
        log_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@images_command.command("index")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-m", "--model", "models", multiple=True, help="Store the vectors of this CLIP model (may be repeated).")
@click.option("--captions", help='Search captions by words: a file of JSON lines {"id": "cats/1.jpg", "caption": …}.')
@click.option("--words-in-images", is_flag=True, help="Read the words written in the pictures (OCR), and search them.")
@_index_option
@click.option("--language", default="english", show_default=True, help="The language of captions and words.")
@click.option("--overwrite", is_flag=True, help="Replace an index that is already there.")
def index_command(
    folder: Path,
    models: tuple[str, ...],
    captions: str | None,
    words_in_images: bool,
    index_folder: Path | None,
    language: str,
    overwrite: bool,
) -> int:
    """Index the pictures in FOLDER and the folders below it: by a CLIP model, by captions, by words written in them. An
    index that is there gets the vectors of further models."""
    from ..domains.images.folder import documents
    from ..hub.open import open_model
    from ..index.build import build
    from ..index.collection import Collection
    from ..store.manifest import NAME
    from ..store.vector_names import model_of, stored

    out = index_folder or folder / INDEX
    there = (out / NAME).is_file() and not overwrite
    if there and (captions or words_in_images):
        raise InputError("it holds an index, whose words stay: use --overwrite to build it anew", path=out)
    if not models and not captions and not words_in_images:
        raise InputError("nothing to search by: give --model, --captions or --words-in-images")
    first = next(documents(folder, on_unreadable=lambda error: None)) if models else None
    encoders = {name: _encoder(open_model(name), name, first) for name in dict.fromkeys(models)} if first else {}
    if not there:
        read = _word_reader() if words_in_images else None
        known = _captions(captions, folder) if captions else None
        left_out: list[InputError] = []
        with progress("indexing", None, "pictures") as bar:
            build(
                documents(folder, known, read, left_out.append),
                out,
                language=language,
                lexical=bool(captions or words_in_images),
                overwrite=overwrite,
                on_progress=partial(advance, bar),
                on_warning=lambda text: click.echo(f"warning: {text}", err=True),
            )
        for error in left_out[:3]:
            click.echo(f"warning: left out: {error}", err=True)
        if len(left_out) > 3:
            click.echo(f"warning: {len(left_out) - 3} more pictures that can't be read are left out", err=True)
    collection = Collection.open(out)
    for encoder in encoders.values():
        with progress(f"encoding with {encoder.name}", len(collection), "pictures") as bar:
            usage = collection.encode(encoder, stored(encoder.name), on_progress=partial(advance, bar))
        echo_cut(usage.truncated, encoder.name)
    parts = [*(["words"] if collection.store.manifest.lexical else []), *map(model_of, collection.encoded)]
    click.echo(f"{out}: {len(collection):,} pictures, searched by {', '.join(parts)}")
    return 0


def _captions(file: str, folder: Path) -> dict[str, str]:
    """The captions of a file. Those of pictures that aren't in the folder are named; all of them are an InputError."""
    from ..domains.images.folder import read_captions, without_picture

    known = read_captions(file)
    absent = without_picture(known, folder)
    shown = ", ".join(quoted(id) for id in absent[:3]) + (", …" if len(absent) > 3 else "")
    if absent and len(absent) == len(known):
        raise InputError(
            f"no id of its {len(known):,} captions is a picture in {folder} ({shown}): give paths from that folder, "
            "such as cats/1.jpg",
            path=file,
        )
    if absent:
        click.echo(
            f"warning: {len(absent):,} of {len(known):,} captions are of no picture in {folder}: {shown}", err=True
        )
    return known


@images_command.command("search")
@_query_options
@click.option("-k", "top", default=10, show_default=True, type=click.IntRange(1), help="Pictures that are shown.")
def search_command(
    folder: Path,
    query: str | None,
    like: Path | None,
    index_folder: Path | None,
    pipeline: str | None,
    page: Path | None,
    json_out: bool,
    log_file: Path | None,
    top: int,
) -> int:
    """Search the pictures in FOLDER, which 'anyrank images index' has indexed, for a QUERY in words, or --like a
    picture."""
    text, ranking = _search_index(folder, query, like, index_folder, pipeline, top, log_file)
    return _show(ranking, text, page, json_out)


@images_command.command("rerank")
@_query_options
@click.option("--model", required=True, help="A vision-language model, a CLIP model or a reranker, by name.")
@click.option(
    "--by",
    type=click.Choice(["similarity", "yes-no", "order"]),
    help="yes-no: does the picture show it, one call each (INQUIRE); order: all in one call, after a thought (MM-R5); "
    "similarity: of vectors, or a reranker's scores. By default what the model can do.",
)
@click.option("--first", default=20, show_default=True, type=click.IntRange(1), help="Pictures that are judged.")
@click.option("-k", "top", type=click.IntRange(1), help="Pictures that are shown; by default all that were judged.")
def rerank_command(
    folder: Path,
    query: str | None,
    like: Path | None,
    index_folder: Path | None,
    pipeline: str | None,
    page: Path | None,
    json_out: bool,
    log_file: Path | None,
    model: str,
    by: By | None,
    first: int,
    top: int | None,
) -> int:
    """Rerank the first pictures of a search by a judge; without an index, those of FOLDER as they come."""
    from ..domains.images.folder import documents

    stage, how = _judge(model, by, log_file)
    if (index_folder or folder / INDEX).exists() or pipeline:
        text, before = _search_index(folder, query, like, index_folder, pipeline, first, None)
    else:
        warn: Callable[[InputError], None] = lambda error: click.echo(f"warning: left out: {error}", err=True)  # noqa: E731
        pictures = list(documents(folder, on_unreadable=warn))[:first]
        text, before = f"the first {len(pictures)} by name", Ranking(_query(query, like), tuple(pictures))
    try:
        after = stage(before)
    except ModelError as error:
        raise ModelError(f"{error}: that is --by order") if how == "yes-no" else error from None
    return _show(after[:top] if top else after, f"{text} >> {how} by {model}", page, json_out, before)


def _query(words: str | None, like: Path | None) -> Query:
    """The query of the command line. Raises InputError unless it is either words or a picture."""
    from ..domains.images.folder import is_unicode

    if (words is None) == (like is None):
        raise InputError("give a QUERY in words, or a picture by --like")
    if words is not None and (is_blank(words) or not is_unicode(words)):
        raise InputError("the QUERY is empty" if is_unicode(words) else "the QUERY is not UTF-8")
    return Query("q1", words if like is None else Image(str(like)))


def _search_index(
    folder: Path,
    words: str | None,
    like: Path | None,
    index_folder: Path | None,
    pipeline: str | None,
    k: int,
    log_file: Path | None,
) -> tuple[str, Ranking]:
    """The pipeline and the first k of its results."""
    from ..index.collection import Collection
    from ..pipeline.parser import Settings, parse
    from ..store.manifest import NAME

    query, out = _query(words, like), index_folder or folder / INDEX
    if not (out / NAME).is_file():
        raise InputError(f"no index of these pictures: make one by anyrank images index {folder} -m MODEL", path=out)
    collection = Collection.open(out)
    text = pipeline or _pipeline(collection, like is not None)
    stage = parse(text, Settings(collection, log=call_log(log_file, False))) % k
    ranking = stage(query)
    _ = [c.content for c in ranking]
    return text, ranking


def _pipeline(collection: Any, by_picture: bool) -> str:
    """A search by all that an index holds: the vectors of each model, and words unless the query is a picture."""
    from ..store.vector_names import model_of

    parts = [f"model({name!r}) % 1000" for name in map(model_of, collection.encoded)]
    if collection.store.manifest.lexical and not by_picture:
        parts.append("bm25 % 1000")
    if not parts:
        what = "a picture is searched by vectors, and the index has none" if by_picture else "the index has no vectors"
        raise InputError(f"{what}: anyrank images index FOLDER -m MODEL")
    return parts[0] if len(parts) == 1 else " + ".join(f"({part})" for part in parts)


def _judge(name: str, by: By | None, log_file: Path | None) -> tuple[Any, str]:
    """The reranker of a model, and how it judges."""
    from ..core.language import Generates, ScoresNext
    from ..core.rerank import Rerank
    from ..hub.open import open_model
    from ..judges.similarity import Similarity
    from ..llm.call_log import Logged
    from ..llm.capabilities import offers
    from ..papers import inquire, mm_r5
    from ..vectors import Encoder

    model = open_model(name)
    log = call_log(log_file, False)
    language = offers(model, ScoresNext) or offers(model, Generates)
    how = by or ("similarity" if not language else "yes-no" if offers(model, ScoresNext) else "order")
    if how == "similarity":
        if language or not (callable(model) or isinstance(model, Encoder)):
            raise InputError(f"{name} gives no similarity: choose --by yes-no or --by order")
        return Rerank(model if callable(model) else Similarity(model), name="similarity"), how
    if not language:
        raise InputError(f"--by {how} asks a language model, and {name} is none: choose --by similarity")
    backend = model if log is None else Logged(model, log)
    return (inquire.build(backend) if how == "yes-no" else mm_r5.build(backend)), how


def _show(ranking: Ranking, text: str, page: Path | None, json_out: bool, before: Ranking | None = None) -> int:
    """Write a ranking to standard output, and as a page; returns the exit code."""
    from ..core.content import text_of

    if page is not None:
        from ..domains.images.page import write_images_page

        write_images_page(page, ranking, text, before)
        click.echo(f"{page}: {len(ranking)} thumbnails", err=True)
    if json_out:
        rows = [{"id": c.id, "score": c.score, "text": text_of(c.content)} for c in ranking]
        click.echo(as_json({"pipeline": text, "results": rows}))
    else:
        for rank, c in enumerate(ranking, 1):
            words = " ".join(text_of(c.content).split())
            line = f"{rank:>3}  {c.score:8.4f}  {c.id}" + (f"  {words[:80]}" if words else "")
            click.echo(printable(line))
    return report_status([ranking])


def _encoder(model: Any, name: str, picture: Candidate) -> Any:
    """A model that makes vectors of images, such as this picture. Raises InputError on another one."""
    from ..vectors import Encoder

    cure = "index by a CLIP model, as openai/clip-vit-base-patch32"
    if not isinstance(model, Encoder):
        raise InputError(f"{name} makes no vectors: {cure}")
    try:
        model.encode([picture.content])
    except InputError:
        raise InputError(f"{name} makes no vectors of pictures: {cure}") from None
    return model


def _word_reader() -> Any:
    from ..domains.images.words import reader

    return reader()
