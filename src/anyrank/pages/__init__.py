"""Pages: the HTML report of a comparison, and the charts and templates that every report is made of.

A page is one HTML file that loads nothing: style, script and charts (inline SVG) are in it, so it works offline, prints
and follows the reader's light or dark mode. Templates are jinja2's (extras ``eval`` and ``peptides``), with autoescape
on; a domain keeps its own beside its code and extends ``base.html.jinja``.
"""

from importlib.util import find_spec

from ..core.errors import MissingExtra

if find_spec("jinja2") is None:
    raise MissingExtra("jinja2", extra="eval")

from .comparison import report, write_report
from .figures import write_figures
from .notebook import Flow
from .render import render, write_page

__all__ = ["Flow", "render", "report", "write_figures", "write_page", "write_report"]
