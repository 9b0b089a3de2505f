"""Loads prompt templates from YAML files with the fields of rank_llm, whose own files load unchanged.

Fields: ``method``, ``system_message``, ``prefix``, ``body``, ``suffix`` (or with ``_user`` after them),
``prefix_assistant``, ``body_assistant``, ``text``, ``instruction`` (what {instruction} stands for in queries that have
none of their own), ``output_validation_regex``, ``output_extraction_regex``.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import InputError, MissingExtra, listed, quoted
from .labels import Labels
from .prompts import Template

log = logging.getLogger(__name__)

_LISTWISE = {"listwise", "singleturn_listwise", "multiturn_listwise"}
_OTHERS = {"pointwise", "pairwise", "rankfid"}
_FIELDS = {
    "method",
    "system_message",
    "prefix",
    "prefix_user",
    "prefix_assistant",
    "body",
    "body_user",
    "body_assistant",
    "suffix",
    "suffix_user",
    "text",
    "instruction",
    "output_validation_regex",
    "output_extraction_regex",
}
_AROUND = re.compile(r"([^\s{}\w]|[A-Za-z]+ ?)?\{(?:rank|index|label)\}([^\s{}\w]?)")


def load_template(path: str | os.PathLike[str]) -> Template:
    """The template in a YAML file. Raises InputError that names the file and the field at fault, MissingExtra without
    PyYAML."""
    try:
        import yaml
    except ImportError:
        raise MissingExtra("PyYAML", extra="llm") from None
    try:
        with open(path, encoding="utf-8") as file:
            fields = yaml.safe_load(file)
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", path=path) from None
    except UnicodeDecodeError as error:
        what = f"byte 0x{error.object[error.start]:02x} at position {error.start} is not UTF-8: convert it to UTF-8"
        raise InputError(what, path=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it can't be parsed"
        raise InputError(f"not a YAML file: {problem}", path=path, line=mark.line + 1 if mark else None) from None
    except RecursionError:
        raise InputError("not a YAML file: it is nested too deeply", path=path) from None
    except Exception as error:  # noqa: BLE001 - a date of a 13th month, a number of no base: PyYAML raises many classes
        raise InputError(f"not a YAML file: {error}", path=path) from None
    try:
        return from_fields(fields)
    except InputError as error:
        raise InputError(str(error), path=path) from None


def from_fields(fields: Any) -> Template:
    """A template from the fields of such a file.

    >>> t = from_fields({"method": "singleturn_listwise", "body": "[{rank}] {candidate}\\n", "suffix": "{query}",
    ...                  "output_extraction_regex": 'r"\\\\[([A-Z])\\\\]"'})
    >>> t.labels.style, t.extract
    ('letters', '\\\\[([A-Z])\\\\]')
    """
    if not isinstance(fields, Mapping):
        raise InputError(f"a template is a mapping of fields, not {type(fields).__name__}")
    if unknown := sorted(set(map(str, fields)) - _FIELDS):
        log.warning("fields of the template that are not used: %s", listed(unknown))
    for name in _FIELDS & fields.keys():
        if not isinstance(fields[name], str):
            raise InputError(f"field {name}: expected a text, found {type(fields[name]).__name__}")
    method = fields.get("method", "listwise" if "{rank}" in _either(fields, "body") else "pointwise")
    if method not in _LISTWISE | _OTHERS:
        raise InputError(f"method {quoted(method)}: known are {', '.join(sorted(_LISTWISE | _OTHERS))}")
    valid, extract = (_regex(fields.get(f"output_{what}_regex", "")) for what in ("validation", "extraction"))
    body = _either(fields, "body") or fields.get("text", "")
    if not body:
        raise InputError("field body is missing")
    common = {
        "separator": "",
        "system": fields.get("system_message", ""),
        "instruction": fields.get("instruction", ""),
        "valid": valid,
        "extract": extract,
    }
    if method == "rankfid":
        return Template(body=body, chat=False, **common)
    if method in _OTHERS:
        return Template(
            prefix=_either(fields, "prefix") + body + _either(fields, "suffix"), chat=bool(common["system"]), **common
        )
    around = _AROUND.search(body)  # the characters around the placeholder become the label's brackets
    if not around:
        raise InputError("field body has no label for the document: expected {rank} in it")
    style = "letters" if "A-Z" in extract + valid else "numbers"
    return Template(
        prefix=_either(fields, "prefix"),
        body=body,
        suffix=_either(fields, "suffix"),
        prefix_assistant=fields.get("prefix_assistant", ""),
        body_assistant=fields.get("body_assistant", ""),
        labels=Labels(style, around[1] or "", around[2] or ""),  # type: ignore[arg-type]
        **common,
    )


def _either(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name) or fields.get(f"{name}_user") or ""


def _regex(text: str) -> str:
    """A regular expression; some files write it as a Python literal, r"…"."""
    literal = re.fullmatch(r"""\s*r(["'])(.*)\1\s*""", text, re.DOTALL)
    return literal[2] if literal else text
