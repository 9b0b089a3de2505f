"""Single figures of a report as files: SVG that stands alone, or PDF (for papers), drawn by CairoSVG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import escape

from ..core.errors import InputError, MissingExtra
from ..disk import whole_file
from ..evaluate.evaluation import Evaluation
from ..evaluate.inputs import Qrels, Run
from .comparison import charts_of
from .render import HERE
from .svg import one_line

Format = Literal["svg", "pdf"]
FLOWS = 10
"""The rank flows that are written: those of the queries on which the runs differ most."""
_FONT = "font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif"
_HALO = re.compile(r'<text [^>]*class="[^"]* halo[^"]*"[^>]*>[^<]*</text>')
_LEFT_OUT = re.compile(
    r":(?!root)|@|^(html|body|svg$|main|section|select|label|table|t[hdr]\b|#tip|\.key|\.two|\.scroll)"
)
"""Selectors that mean nothing in a figure that stands alone: states, the page's layout and tables."""


def write_figures(
    folder: str | PathLike[str],
    e: Evaluation,
    runs: Mapping[str, Run],
    qrels: Qrels,
    *,
    format: Format = "svg",
    flows: int = FLOWS,
    **options: Any,
) -> list[Path]:
    """The figures of an evaluation's report, each in a file of its own: the differences of every run from the baseline,
    quality against latency, and the rank flows of the queries on which the runs differ most. ``options`` are those of
    `comparison.report`. Returns the files' paths.

    Raises InputError on an unknown format, MissingExtra if the package for PDF is not installed.
    """
    check_format(format)
    charts = charts_of(e, runs, qrels, flows=flows, **options)
    named: list[tuple[str, str]] = [(f"differences-{d.run}", d.chart) for d in charts.differences]
    if charts.scatter is not None:
        named.append(("quality-against-latency", charts.scatter))
    named += [(f"flow-{query}", chart) for query, _, chart in charts.flows]
    Path(folder).mkdir(parents=True, exist_ok=True)
    out = []
    for name, chart in zip(_file_names([name for name, _ in named]), (chart for _, chart in named)):
        path = Path(folder) / f"{name}.{format}"
        drawing = standalone(chart)
        with whole_file(path) as file:
            file.write(drawing.encode() if format == "svg" else pdf(drawing))
        out.append(path)
    return out


def check_format(format: str) -> None:
    """Raises InputError on a format that isn't known, MissingExtra on one whose package is not installed."""
    if format not in get_args(Format):
        raise InputError(f"no figure format {format!r}: {', '.join(get_args(Format))}")
    if format == "pdf":
        _cairosvg()


def standalone(chart: str) -> str:
    """A report's chart as an SVG document of its own: with its size, a white ground, and the style of its parts.

    Raises InputError if the text holds no drawing.
    """
    drawing = re.search(r"<svg\b.*</svg>", chart, re.DOTALL)
    if drawing is None:
        raise InputError("this is no chart: there is no svg element in it")
    opening, inside = re.match(r"<svg\b([^>]*)>(.*)</svg>", drawing[0], re.DOTALL).groups()  # type: ignore[union-attr]
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opening).groups()  # type: ignore[union-attr]
    opening = re.sub(r' style="[^"]*"', "", opening)
    resolved = re.sub(r"var\(--(\w+)\)", lambda m: _colours()[m[1]], _HALO.sub(_with_ground, inside))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"{opening}>'
        f"<style>{escape(_style())}</style>"
        f'<rect width="{width}" height="{height}" fill="#fff"/>{resolved}</svg>\n'
    )


def _with_ground(text: re.Match[str]) -> str:
    """A text with a halo as two: a white ground below it, and the text. Not every program draws the stroke of a text
    below its fill, as the page's style has it."""
    before, after = text[0].split(" halo", 1)
    return f"{before} ground{after}{before}{after}"


def pdf(drawing: str) -> bytes:
    """An SVG document as a PDF of one page, of the drawing's size."""
    out: bytes = _cairosvg().svg2pdf(bytestring=drawing.encode())
    return out


@cache
def _colours() -> dict[str, str]:
    """The page's colours by name, those of its light mode."""
    css = files(HERE).joinpath("templates", "style.css").read_text("utf-8")
    return dict(re.findall(r"--(\w+): (#\w+)", css[: css.index("@media")]))


@cache
def _style() -> str:
    """The rules of the page's style that concern charts, with their colours filled in."""
    css = files(HERE).joinpath("templates", "style.css").read_text("utf-8")
    charts = css[css.index("/* Charts */") : css.index("/* Keys and tips */")]
    ground = "text.ground { fill: #fff; stroke: #fff; stroke-width: 4px; stroke-linejoin: round }"
    rules = [f"svg {{ {_FONT} }}", ground, *_rules(re.sub(r"/\*.*?\*/", "", charts, flags=re.DOTALL))]
    return " ".join(re.sub(r"var\(--(\w+)\)", lambda m: _colours()[m[1]], rule) for rule in rules)


def _rules(css: str) -> Iterator[str]:
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        if wanted := [s.strip() for s in selectors.split(",") if not _LEFT_OUT.search(s.strip())]:
            yield f"{', '.join(wanted)} {{{body}}}"


def _file_names(names: list[str]) -> list[str]:
    """Distinct names of files, of letters, digits, dots, hyphens and underscores.

    >>> _file_names(["flow-a/b", "flow-a b", "flow-"])
    ['flow-a_b', 'flow-a_b-2', 'flow']
    """
    out: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", one_line(name, 80), flags=re.ASCII).strip("._-") or "figure"
        n, unique = 1, plain
        while unique in out:
            n += 1
            unique = f"{plain}-{n}"
        out.append(unique)
    return out


def _cairosvg() -> Any:
    try:
        import cairosvg
    except ImportError as error:
        raise MissingExtra("cairosvg", extra="figures") from error
    except OSError as error:
        raise InputError(f"PDF needs the system's library cairo (Debian: apt install libcairo2): {error}") from error
    return cairosvg
