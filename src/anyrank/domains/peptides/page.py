"""The report of an evaluation of peptides: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files

from ...core.types import Ranking
from ...evaluate import charts as base
from ...evaluate.charts import esc, tag, whisker
from .accuracy import MEASURES, Scored
from .charts import colour, curves, mirrored
from .matching import NARROW, Tolerance

SPECTRA = 40
"""At most so many annotated spectra are put into a report."""
IONS = (
    '<p class="key"><span><i style="background:var(--accent)"></i>y ions</span>'
    '<span><i style="background:var(--loss)"></i>b ions</span>'
    "<span>heights are square roots of intensities</span></p>"
)


def page(
    tables: Mapping[str, Sequence[Scored]],
    ranked: Sequence[Ranking],
    *,
    title: str,
    method: str,
    oracle: float,
    values: Mapping[str, Mapping[str, float]],
    bounds: Mapping[str, Mapping[str, tuple[float, float]]],
    tolerance: Tolerance = NARROW,
) -> str:
    """``tables``: the judged predictions of every method over the same annotated spectra, ``values`` their measures and
    ``bounds`` the measures' intervals; ``ranked``: the rankings of ``method``, whose spectra are drawn, wrong answers
    first; ``oracle``: the share of spectra with the true peptide among the candidates.
    """
    n = len(next(iter(tables.values())))
    lead = f"{n} annotated spectra; the true peptide is among the candidates of {oracle:.1%} of them."
    keys = "".join(
        tag("span", tag("i", style=f"background:{colour(i)}"), esc(name)) for i, name in enumerate(tables)
    )  # fmt: skip
    parts = [
        ("Quality", _quality(values, bounds)),
        ("Precision against coverage", curves(tables) + tag("p", keys, class_="key")),
        (f"Spectra, by {method}", _spectra(ranked, tolerance) + IONS),
    ]
    return shell(title, lead, parts)


def shell(title: str, lead: str, parts: Sequence[tuple[str, str]]) -> str:
    """A page of parts, each a heading and its markup: one HTML file that needs nothing else."""
    sections = "\n".join(tag("section", tag("h2", esc(name)), inside) for name, inside in parts)
    html, script = (
        files(base.__package__ or "").joinpath(f"report.{kind}").read_text("utf-8") for kind in ("html", "js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    head, tail = html.split("@sections@")
    for name, said in {
        "policy": f"sha256-{digest}", "title": esc(title), "lead": esc(lead), "script": script,
    }.items():  # fmt: skip
        head, tail = head.replace(f"@{name}@", said), tail.replace(f"@{name}@", said)
    return head + sections + tail


def _quality(values: Mapping[str, Mapping[str, float]], bounds: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    low = min(b["peptide_recall"][0] for b in bounds.values())
    high = max(b["peptide_recall"][1] for b in bounds.values())
    names = (
        "method",
        "peptide_recall",
        f"95% interval, {low:.2f} to {high:.2f}",
        *(m for m in MEASURES if m != "peptide_recall"),
    )
    lines = [tag("tr", *(tag("th", esc(n.replace("_", " ")), scope="col") for n in names))]
    for name, value in values.items():
        interval = bounds[name]
        cells = [tag("th", esc(name, 60), scope="row"), tag("td", f"{value['peptide_recall']:.4f}")]
        cells.append(tag("td", whisker(value["peptide_recall"], *interval["peptide_recall"], low, high)))
        for m in (m for m in MEASURES if m != "peptide_recall"):
            a, b = interval[m]
            cells.append(tag("td", f"{value[m]:.4f}", tag("div", f"{a:.3f} to {b:.3f}", class_="key")))
        lines.append(tag("tr", *cells))
    return tag("div", tag("table", *lines), class_="scroll")


def _spectra(ranked: Sequence[Ranking], tolerance: Tolerance) -> str:
    drawn: dict[str, str] = {}
    wrong_first = sorted((r for r in ranked if len(r)), key=lambda r: r[0].id == _truth(r))
    for r in wrong_first[:SPECTRA]:
        best, truth = r[0], r.query.content.peptide
        right = truth is not None and best.id == truth.key
        rival = ("the rival", r[1].content) if len(r) > 1 else None
        if truth is not None and not right:
            rival = ("the true peptide", truth)
        verdict = "right" if right else "wrong" if truth is not None else "no annotation"
        said = f"chosen ({verdict}), score {best.score:.4g}"
        drawn[f"{r.query.id}: {best.content}, {verdict}"] = mirrored(
            r.query.content, (said, best.content), rival, tolerance
        )
    return one_of(drawn)


def one_of(drawn: Mapping[str, str]) -> str:
    """A menu of the names, and under it the markup of the one chosen."""
    menu = tag(
        "select", *(tag("option", esc(k, 110), value=i) for i, k in enumerate(drawn)), data_shows="spectra", id="menu"
    )
    parts = (
        tag("div", part, data_part=i, **({} if i == 0 else {"hidden": ""})) for i, part in enumerate(drawn.values())
    )
    return tag("label", "Spectrum:", for_="menu") + menu + tag("div", *parts, id="spectra")


def _truth(r: Ranking) -> str:
    return "" if r.query.content.peptide is None else r.query.content.peptide.key
