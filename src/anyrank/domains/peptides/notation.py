"""Peptides from text: ProForma, Casanovo's ``M+15.995``, InstaNovo's ``M(+15.99)`` and ``M[UNIMOD:35]``, PointNovo's
``M,N(Deamidation)``, printed lists, and search engines' ``K.PEPTIDE.R``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike

from ...core.errors import InputError
from .peptide import Peptide
from .residues import modification, residue, terminal

_PART = re.compile(r"(?P<mod>(?:\[[^\[\]]*\]|\([^()]*\)|[+-]\d*\.?\d+)+)|(?P<letter>[A-Z])(?P<mark>mod)?|(?P<dash>-)")
_MOD = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)|([+-]\d*\.?\d+)")
_LISTED = re.compile(r"\s*\[(['\"].*)\]\s*", re.DOTALL)
_FLANKED = re.compile(r"^[A-Z_-]?\.(.+)\.[A-Z_-]?$")
_CHARGE = re.compile(r"/\d+$")
_MARKED = {"C": 57.021464, "M": 15.994915, "N": 0.984016, "Q": 0.984016}


def parse(
    text: str,
    *,
    fixed: Mapping[str, str] | None = None,
    path: str | PathLike[str] | None = None,
    line: int | None = None,
) -> Peptide:
    """Parse a peptide from a text in any of the notations above. ``fixed``: fixed modifications that the file doesn't
    write, as tokens for bare letters: ``{"C": "C+57.021"}`` if all cysteines are carbamidomethylated. ``path`` and
    ``line`` go into errors.

    Raises InputError on residues and modifications that the table lacks, and on texts that are no peptide.

    >>> parse("[Acetyl]-M[Oxidation]C[Carbamidomethyl]K") == parse("(+42.01)M(+15.99)C(+57.02)K")
    True
    >>> str(parse("K.+42.011PM[UNIMOD:35]N(+.98)K.R")), str(parse("['P', 'M+15.995', 'K']"))
    ('+42.011PM+15.995N+0.984K', 'PM+15.995K')
    >>> parse("PEPTIDEU", path="run.csv", line=7)
    Traceback (most recent call last):
    anyrank.core.errors.InputError: run.csv:7: unknown residue 'U' (position 8 of 'PEPTIDEU')
    """
    try:
        return Peptide(tuple(_tokens(text, fixed or {})))
    except InputError as error:
        raise InputError(str(error), path=path, line=line) from None


def _tokens(text: str, fixed: Mapping[str, str]) -> list[str]:
    """The tokens of the residue table that a text spells, N-terminal modification first."""
    # Printed lists, quotes, commas and spaces go; then the charge (".../2") and the flanking residues ("K.….R").
    listed = _LISTED.fullmatch(text)
    plain = _CHARGE.sub("", "".join(c for c in (listed[1] if listed else text) if c not in "'\", \t"))
    if flanked := _FLANKED.match(plain):
        plain = flanked[1]
    # First pass: letters with the mass of their modifications; masses before the first letter are N-terminal.
    letters: list[tuple[str, float | None]] = []  # None: written without a modification, so ``fixed`` may apply
    front, start = 0.0, 0
    while start < len(plain):
        part = _PART.match(plain, start)
        if part is None:
            raise InputError(f"{plain[start:][:12]!r} is neither a residue nor a modification (in {text!r})")
        start = part.end()
        if part["letter"]:
            letters.append((part["letter"], _MARKED.get(part["letter"]) if part["mark"] else None))
        elif part["mod"]:
            delta = sum(modification(a or b or c) for a, b, c in _MOD.findall(part["mod"]))
            if letters:
                letter, known = letters[-1]
                letters[-1] = (letter, delta + (known or 0.0))
            else:
                front += delta
        elif letters or not front:
            raise InputError(f"misplaced '-' in {text!r}: C-terminal modifications are not supported")
    # Second pass: tokens by letter and mass.
    tokens: list[str] = []
    for position, (letter, mass) in enumerate(letters, 1):
        token = fixed.get(letter) if mass is None else None
        token = token or residue(letter, mass or 0.0)
        # Some engines write the N-terminal modification on the first residue, as in A[42.0106]C.
        if token is None and position == 1 and mass and not front:
            base = fixed.get(letter) or residue(letter, 0.0)
            if base and terminal(mass):
                front, token = mass, base
        if token is None:
            raise InputError(_unknown(letter, mass, position, text))
        tokens.append(token)
    if front:
        if (mark := terminal(front)) is None:
            raise InputError(f"unknown N-terminal modification of {front:+.4f} Da (in {text!r})")
        tokens.insert(0, mark)
    return tokens


def _unknown(letter: str, mass: float | None, position: int, text: str) -> str:
    """The message about a residue that the table lacks."""
    message = f"unknown residue {letter + (f'{mass:+.4g}' if mass else '')!r} (position {position} of {text!r})"
    if letter == "C" and not mass:
        message += ": if every cysteine was carbamidomethylated, give fixed={'C': 'C+57.021'} (--fixed C+57.021)"
    return message
