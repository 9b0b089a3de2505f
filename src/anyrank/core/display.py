"""How a ranking is shown and exported: a table as text and as HTML, a JSON-ready dict, a pandas data frame."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

from .content import Image, images_of, text_of
from .errors import MissingExtra
from .json_values import json_value

if TYPE_CHECKING:
    from .types import Candidate, Ranking

_ROWS = 10  # candidates in a table
_WIDTH = 80  # characters of a text in a table
_COLUMNS = ("rank", "score", "id", "text")


def table(ranking: Ranking) -> str:
    """The first candidates in columns, under a line with the query.

    >>> from anyrank import Ranking
    >>> print(table(Ranking.of("capital of France", ["Paris is the capital.", "Lyon is large."])))
    'capital of France': 2 candidates, ok
    rank  score  id  text
       1      2  0   Paris is the capital.
       2      1  1   Lyon is large.
    """
    rows = [_COLUMNS, *_rows(ranking)]
    rank, score, id = (max(len(row[n]) for row in rows) for n in range(3))
    lines = [f"{r[0]:>{rank}}  {r[1]:>{score}}  {r[2]:<{id}}  {r[3]}".rstrip() for r in rows]
    rest = [f"… {len(ranking) - _ROWS:,} more"] if len(ranking) > _ROWS else []
    return "\n".join([_title(ranking), *(lines if len(ranking) else ()), *rest])


def html_table(ranking: Ranking) -> str:
    """The same as an HTML table, under it what the ranking cost, step by step, and what went wrong."""
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _rows(ranking))
    rest = f"<p>… {len(ranking) - _ROWS:,} more</p>" if len(ranking) > _ROWS else ""
    lines = "".join(f"<p><small>{escape(line)}</small></p>" for line in _cost(ranking))
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<p>{escape(_title(ranking))}</p>{grid}{rest}{lines}"


def _cost(ranking: Ranking) -> list[str]:
    """The steps of a ranking with their times and counts, and the notes of those that did not go well."""
    steps = []
    for step in ranking.trace:
        counts = [f"{step.seconds * 1000:,.0f} ms"]
        counts += [f"{n:,} {what}" for n, what in ((step.usage.calls, "calls"), (step.usage.tokens, "tokens")) if n]
        status = "" if step.status == "ok" else f" ({step.status})"
        steps.append(f"{_short(step.name, 60)}{status}: {', '.join(counts)}")
    notes = [_short(note, 200) for note in dict.fromkeys(ranking.cost.notes)]
    return ([" → ".join(steps)] if steps else []) + notes[:3]


def _title(ranking: Ranking) -> str:
    count = f"{len(ranking):,} candidate{'' if len(ranking) == 1 else 's'}"
    return f"{_short(ranking.query.content)!r}: {count}, {ranking.status}"


def _rows(ranking: Ranking) -> list[tuple[str, str, str, str]]:
    return [
        (str(rank), f"{c.score:.4g}", _short(c.id, 40), _short(c.content))
        for rank, c in enumerate(islice(ranking, _ROWS), 1)
    ]


def _short(content: Any, width: int = _WIDTH) -> str:
    """A content in one line of printable characters."""
    text = text_of(content)[: 8 * width] or ("(image)" if images_of(content) else "")
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def ranking_to_dict(
    ranking: Ranking, origin: Ranking | None = None, *, texts: bool = False, times: bool = True
) -> dict[str, Any]:
    """A ranking, JSON-ready: query, the candidates best first, status, cost and trace.

    A candidate says its ``index`` in the list that it was given in, or with ``origin``, the ranking before it was
    reranked, the one there. ``texts`` adds the candidates' contents, as ``text``, or as ``content`` if they are no
    texts, and their fields as ``meta``. Without ``times`` it holds no seconds, so that equal results are equal byte for
    byte.
    """
    indices = {} if origin is None else {c.id: i for i, c in enumerate(origin)}

    def item(c: Candidate) -> dict[str, Any]:
        position = indices.get(c.id, c.index)
        index = {} if position is None else {"index": position}
        content = {} if not texts else {"text" if _is_plain(c.content) else "content": _to_json(c.content)}
        meta = {"meta": json_value(c.meta, str)} if texts and c.meta else {}
        return {"id": c.id, **index, "score": c.score, **content, **meta}

    query, cost = ranking.query.content, ranking.cost.as_dict()
    hidden = {"name", "status", "notes", "cut"} if times else {"name", "status", "notes", "cut", "seconds"}
    steps = [step.as_dict() for step in ranking.trace]
    return {
        "query": query if _is_plain(query) else {"content": _to_json(query)},
        "qid": ranking.query.id,
        "ranking": [item(c) for c in ranking],
        "status": ranking.status,
        "cost": {k: v for k, v in cost.items() if k not in hidden},
        "trace": steps if times else [{k: v for k, v in step.items() if k != "seconds"} for step in steps],
    }


def _is_plain(content: Any) -> bool:
    return content is None or not isinstance(content, Image | Mapping | tuple | list)


def _to_json(content: Any) -> Any:
    """A content with its images as paths or URLs (bytes as data: URLs), as `parts_of` reads them again."""
    match content:
        case Image():
            inline = isinstance(content.source, bytes) or content.url
            return {"image": content.as_url() if inline else os.fspath(content.source)}
        case Mapping():
            image = content.get("image")
            return {**content, **(_to_json(image) if isinstance(image, Image) else {})}
        case tuple() | list():
            return [_to_json(part) for part in content]
    return content


def to_pandas(ranking: Ranking) -> Any:
    """A data frame with a row a candidate; a field of ``meta`` that is called as a column is left out."""
    rows = [
        {"rank": rank, "id": c.id, "score": c.score, "index": c.index, "text": text_of(c.content)}
        for rank, c in enumerate(ranking, 1)
    ]
    return frame([{**c.meta, **row} for c, row in zip(ranking, rows)], ["rank", "id", "score", "index", "text"])


def frame(rows: Sequence[Mapping[str, Any]], first: Sequence[str]) -> Any:
    """A pandas data frame of these rows, with the columns ``first`` before all others. Raises MissingExtra without
    pandas."""
    try:
        pandas: Any = import_module("pandas")  # optional, so no import that core depends on
    except ModuleNotFoundError:
        raise MissingExtra("pandas", extra="datasets") from None
    others = dict.fromkeys(name for row in rows for name in row if name not in first)
    return pandas.DataFrame(list(rows), columns=[*first, *others])
