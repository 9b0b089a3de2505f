"""The HTML page of a ranking of images: thumbnails with ranks, names, scores and captions. It loads nothing."""

from __future__ import annotations

from os import PathLike
from typing import Any

from markupsafe import Markup

from ...core.content import images_of, text_of
from ...core.errors import InputError
from ...core.types import Candidate, Ranking
from ...io.pictures import thumbnail
from ...pages.render import render, write_page


def images_page(ranking: Ranking, described: str, before: Ranking | None = None) -> str:
    """The page of a ranking. ``described`` says by what it was ranked; with the ranking ``before`` the page also shows
    from which rank each image came. An image that can't be read, or is given by its URL, is shown without its picture.
    """
    ranks = {id: rank for rank, id in enumerate(before.ids, 1)} if before is not None else {}
    query = ranking.query.content
    shown = _picture(query) if images_of(query) else ""
    return render(
        "images.html.jinja",
        title=f"Images: {text_of(query) or 'like a picture'}",
        described=described,
        query=shown,
        cards=[_card(rank, c, ranks.get(c.id)) for rank, c in enumerate(ranking, 1)],
        notes=list(ranking.cost.notes)[:5],
    )


def write_images_page(
    path: str | PathLike[str], ranking: Ranking, described: str, before: Ranking | None = None
) -> None:
    """Write the page of a ranking to a file."""
    write_page(path, images_page(ranking, described, before))


def _card(rank: int, candidate: Candidate, before: int | None) -> dict[str, Any]:
    moved = None if before is None or before == rank else before
    return {
        "rank": rank,
        "name": candidate.id,
        "score": f"{candidate.score:.4f}",
        "caption": text_of(candidate.content),
        "picture": _picture(candidate.content),
        "before": moved,
    }


def _picture(content: Any) -> Markup | str:
    """The thumbnail of a content's first image as a data: URL (of base64 alone, so it needs no escaping); empty if it
    can't be shown."""
    try:
        return Markup(thumbnail(images_of(content)[0]))
    except (InputError, IndexError):
        return ""
