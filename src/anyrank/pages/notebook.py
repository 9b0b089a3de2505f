"""Rankings of one query side by side in a notebook: lines that follow each document, without a widget or a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from ..core.content import text_of
from ..core.types import Ranking
from .rank_flow import rank_flow
from .svg import element, one_line

_LIGHT = "--ink:#1b2330;--soft:#5a6474;--rule:#e0e4e9;--card:#fff;--on:#fff;--none:#5f7ea8;--g0:#7d8794;--g1:#67a868;"
_DARK = (
    "--ink:#e7ebf0;--soft:#a3adba;--rule:#313a46;--card:#1a2028;--on:#10151b;--none:#7fa5d8;--g0:#98a3b0;--g1:#5f9a63;"
)
STYLE = f"""
.anyrank-flow{{{_LIGHT}--g2:#2f8a40;--g3:#0d5c25;font:13px system-ui,sans-serif;max-width:1000px;overflow-x:auto}}
[data-jp-theme-light=false] .anyrank-flow,.vscode-dark .anyrank-flow{{{_DARK}--g2:#74cf7f;--g3:#b9f7c0}}
.anyrank-flow svg text{{fill:var(--ink);font-size:13px}}
.anyrank-flow .tick,.anyrank-flow .words{{fill:var(--soft);font-size:12px}}
.anyrank-flow .name{{font-weight:600}}
.anyrank-flow .grid{{stroke:var(--rule)}}
.anyrank-flow .doc{{color:var(--none)}}
.anyrank-flow .grade0{{color:var(--g0)}}.anyrank-flow .grade1{{color:var(--g1)}}
.anyrank-flow .grade2{{color:var(--g2)}}.anyrank-flow .grade3{{color:var(--g3)}}
.anyrank-flow path{{fill:none;stroke:currentColor;stroke-width:2.5;opacity:.55}}
.anyrank-flow .out{{stroke-width:1.5;stroke-dasharray:3 4;opacity:.4}}
.anyrank-flow .hit{{stroke:transparent;stroke-width:14}}
.anyrank-flow circle{{fill:currentColor}}
.anyrank-flow .unjudged circle{{fill:var(--card);stroke:currentColor}}
.anyrank-flow circle+text{{fill:var(--on);font-size:11px;font-weight:600}}
.anyrank-flow .unjudged circle+text{{fill:var(--soft)}}
.anyrank-flow svg:has(.doc:hover) .doc:not(:hover),.anyrank-flow svg:has(.doc:focus) .doc:not(:focus){{opacity:.2}}
.anyrank-flow .doc:hover .link,.anyrank-flow .doc:focus .link{{opacity:1;stroke-width:4}}
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """The rank flow of one query as HTML; a notebook shows it, ``html`` is its text."""

    html: str

    @classmethod
    def of(cls, rankings: Mapping[str, Ranking], grades: Mapping[str, int] | None = None) -> Flow:
        """The ten best documents of each ranking, by the rankings' names; ``grades`` by document id colour them.

        >>> a = Ranking.of("q", ["one", "two"])
        >>> flow = Flow.of({"a": a, "b": a.scored([0, 1])})
        >>> "<svg" in flow.html, "<script" in flow.html
        (True, False)
        """
        texts = {c.id: text_of(c.content)[:400] for ranking in rankings.values() for c in ranking[:10]}
        captions = {name: f"{len(r):,} ranked, {r.status}" for name, r in rankings.items()}
        orders = {name: r.ids for name, r in rankings.items()}
        query = next((one_line(text_of(r.query.content), 120) for r in rankings.values()), "")
        chart = rank_flow(orders, grades or {}, lambda id: texts.get(id, id), captions, f"rank flow of {query}")
        return cls(str(element("div", element("style", Markup(STYLE)), chart, class_="anyrank-flow")))

    def _repr_html_(self) -> str:
        return self.html
