"""Renders pages from templates, in one environment that all reports share, and writes them to files."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from os import PathLike

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..io.files import atomic
from .svg import one_line

HERE = __package__ or ""


def render(template: str, package: str = HERE, **values: object) -> str:
    """The page that a template makes of ``values``. It is looked for in ``package``'s folder ``templates``, then in
    this room's, whose ``base.html.jinja`` has the layout and ``macros.html.jinja`` the parts.

    What a template prints is made `one_line` and escaped unless it is markup; a name that has no value is an error.
    """
    return environment(package).get_template(template).render(values)


def write_page(path: str | PathLike[str], page: str) -> None:
    """A page written to a file, whole or not at all."""
    with atomic(path) as file:
        file.write(page)


def breakable(name: object, most: int = 300) -> Markup:
    """A name on one line, which the page may break after an underscore, a dot, a slash or a hyphen.

    >>> breakable("bm25_rm3.trec")
    Markup('bm25_<wbr>rm3.<wbr>trec')
    """
    parts = re.split(r"(?<=[_./-])(?=[^_./-])", one_line(name, most))
    return Markup("<wbr>").join(parts)


@cache
def environment(package: str = HERE) -> Environment:
    """The templates of a package and of this room, with the style and script that `base.html.jinja` puts in."""
    env = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, HERE))]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"cut": one_line, "name": breakable}
    style, script = (files(HERE).joinpath("templates", name).read_text("utf-8") for name in ("style.css", "script.js"))
    # The page's policy lets no script run but the one with this digest, whatever else might get into the page.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    env.globals |= {"style": Markup(style), "script": Markup(script), "script_digest": digest}
    return env


def _printable(value: object) -> object:
    """A value as a template prints it, before it is escaped."""
    return value if isinstance(value, Markup) else one_line(value, 1000)
