"""Peptides from text: ProForma, Casanovo's ``M+15.995``, InstaNovo's ``M(+15.99)`` and ``M[UNIMOD:35]``, PointNovo's
``M,N(Deamidation)``, MaxQuant's ``_M(Oxidation (M))_``, TPP's ``n[43]M[147]``, ``pS`` and ``M(ox)``, printed lists, and
search engines' ``K.PEPTIDE.R``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike

from ...core.errors import InputError
from .peptide import Peptide
from .residues import LETTERS, Delta, known, mark_of, mass_of, modification, residue, terminal

_MOD = r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]|\(((?:[^()]|\([^()]*\))*)\)|([+-]\d*\.?\d+)"
_MODS = re.compile(_MOD)
_PART = re.compile(
    rf"(?P<mod>(?:{_MOD})+)|(?P<end>[nc])(?=[\[(+-])|(?P<short>p(?=[STY])|ox(?=M)|ac(?=K))?"
    r"(?P<letter>[A-Z])(?P<mark>mod)?|(?P<dash>-)"
)
_LISTED = re.compile(r"\s*\[(['\"].*)\]\s*", re.DOTALL)
_FLANKED = re.compile(r"^[A-Z_-]?\.(.+)\.[A-Z_-]?$")
_CHARGE = re.compile(r"/\d+(\[[^\]]*\])?$")
_GLOBAL = re.compile(r"<\[?([^<>\[\]]+)\]?@([A-Z,]+)>")
_MARKED = {"C": "+57.021464", "M": "+15.994915", "N": "+0.984016", "Q": "+0.984016"}
_SHORT = {"p": "Phospho", "ox": "Oxidation", "ac": "Acetyl"}


def parse(
    text: str,
    *,
    fixed: Mapping[str, str] | None = None,
    path: str | PathLike[str] | None = None,
    line: int | None = None,
) -> Peptide:
    """Parse a peptide from a text in any of the notations above.

    ``fixed``: what else letters mean, as tokens: fixed modifications that the file doesn't write, ``{"C": "C+57.021"}``
    if all cysteines are carbamidomethylated, and residues of your own, ``{"S[phospho]": "S+79.966"}`` (see
    `residues.defined`). ``path`` and ``line`` go into errors. A modification of unknown mass keeps the mass that is
    written.

    Raises InputError on letters and names that the table lacks, and on texts that are no peptide.

    >>> parse("[Acetyl]-M[Oxidation]C[Carbamidomethyl]K") == parse("(+42.01)M(+15.99)C(+57.02)K")
    True
    >>> str(parse("K.+42.011PM[UNIMOD:35]N(+.98)K.R")), str(parse("['P', 'M+15.995', 'K']"))
    ('+42.011PM+15.995N+0.984K', 'PM+15.995K')
    >>> parse("_pSM(Oxidation (M))K_").proforma, parse("PEPTIDE-[Amidated]").proforma
    ('S[Phospho]M[Oxidation]K', 'PEPTIDE-[Amidated]')
    >>> parse("PEPTIDEU", path="run.csv", line=7)
    Traceback (most recent call last):
    anyrank.core.errors.InputError: run.csv:7: unknown residue 'U' (position 8 of 'PEPTIDEU'): ...
    """
    try:
        return Peptide(tuple(_tokens(text, fixed or {})))
    except InputError as error:
        raise InputError(str(error), path=path, line=line) from None


@dataclass(slots=True)
class _Spelled:
    """A text in parts: the letters, each with the modifications written on it, and those of the two ends."""

    front: list[str] = field(default_factory=list)
    letters: list[tuple[str, list[str]]] = field(default_factory=list)
    back: list[str] = field(default_factory=list)


def _tokens(text: str, fixed: Mapping[str, str]) -> list[str]:
    """The tokens that a text spells, N-terminal modification first, C-terminal one last."""
    spelled = _spelled(text)
    letters, front, back = spelled.letters, spelled.front, spelled.back
    if not letters:
        raise InputError(f"a peptide without residues (in {text!r})")
    # Some engines write the modification of an end on the first or the last residue, as in A[42.0106]C.
    first = None if front else _at_end("n", *letters[0], fixed)
    if first:
        letters[0] = letters[0][0], []
    last = None if back else _at_end("c", *letters[-1], fixed)
    if last:
        letters[-1] = letters[-1][0], []
    tokens = [_residue(letter, mods, i, text, fixed) for i, (letter, mods) in enumerate(letters, 1)]
    if mark := first or _front(front, letters[0][0], fixed):
        tokens.insert(0, mark)
    if mark := last or _back(back, fixed):
        tokens.append(mark)
    return tokens


def _spelled(text: str) -> _Spelled:
    """The parts of a text, of which quotes, commas, spaces, charge and flanking residues are left out."""
    listed = _LISTED.fullmatch(text)
    plain = _CHARGE.sub("", "".join(c for c in (listed[1] if listed else text) if c not in "'\", \t"))
    everywhere: dict[str, str] = {}  # ProForma's <[Carbamidomethyl]@C>
    while m := _GLOBAL.match(plain):
        everywhere |= dict.fromkeys(m[2].split(","), m[1])
        plain = plain[m.end() :]
    if flanked := _FLANKED.match(plain):
        plain = flanked[1]
    plain = plain.strip("_")
    out, start, end = _Spelled(), 0, ""
    while start < len(plain):
        part = _PART.match(plain, start)
        if part is None:
            raise InputError(f"{plain[start:][:12]!r} is neither a residue nor a modification (in {text!r})")
        start = part.end()
        if part["letter"]:
            if end == "c":
                raise InputError(f"a residue behind the C-terminus (in {text!r})")
            end, mods = "", []
            if part["mark"] and (written := _MARKED.get(part["letter"])):
                mods.append(written)
            if part["short"]:
                mods.append(_SHORT[part["short"]])
            out.letters.append((part["letter"], mods))
        elif part["mod"]:
            mods = [a or b or c for a, b, c in _MODS.findall(part["mod"])]
            (out.back if end == "c" else out.letters[-1][1] if out.letters else out.front).extend(mods)
        elif part["end"] == "n" and not out.letters:
            end = "n"
        elif (part["end"] == "c" or part["dash"]) and out.letters and not end:
            end = "c"
        elif not (part["dash"] and out.front and not out.letters):
            raise InputError(f"misplaced {part[0]!r} in {text!r}")
    out.letters = [(x, mods or ([everywhere[x]] if x in everywhere else [])) for x, mods in out.letters]
    return out


def _at_end(end: str, letter: str, mods: Sequence[str], fixed: Mapping[str, str]) -> str | None:
    """The token of the modification of an end (``n`` or ``c``) that is written on a residue: one that is known at this
    end of peptides but not on the residue; else None."""
    if not mods or any(_own(letter, m, fixed) for m in mods):
        return None
    delta = _sum(mods, letter)
    if delta.nominal:
        return None
    both = terminal(delta) if end == "n" else None
    if both and both.count(".") > 1:
        return both
    mark, on_residue = mark_of(delta, end), known(mark_of(delta, letter), letter)
    row = known(mark, end) if mark else None
    if row is None or end not in row.sites or (on_residue and letter in on_residue.sites):
        return None
    return mark if end == "n" else f"-[{mark}]"


def _own(site: str, mod: str, fixed: Mapping[str, str]) -> str | None:
    """The token of a residue that the user defined, by the name in the file."""
    return fixed.get(f"{site}[{''.join(mod.split()).lower()}]")


def _sum(mods: Sequence[str], site: str) -> Delta:
    """The mass of all modifications of a residue or end."""
    deltas = [modification(m, site) for m in mods]
    if len(deltas) == 1:
        return deltas[0]
    # of whole numbers the known masses are summed
    exact = [_exact(d, site) if d.nominal else d for d in deltas]
    return Delta(round(sum(d.mass for d in exact), 6), max((d.slack for d in exact), default=Delta(0.0).slack))


def _exact(delta: Delta, site: str) -> Delta:
    row = known(mark_of(delta, site), site)
    return Delta(row.mass) if row else delta


def _residue(letter: str, mods: Sequence[str], position: int, text: str, fixed: Mapping[str, str]) -> str:
    """The token of a residue as it is written."""
    if not mods:
        # a bare C, U or O is a mistake more often than not: cysteines are mostly modified
        token = fixed.get(letter) or (letter if letter in LETTERS and letter not in "CUO" else None)
        if token is None:
            raise InputError(_unknown(letter, position, text))
        return token
    own = [_own(letter, m, fixed) for m in mods]
    if len(mods) == 1 and own[0]:
        return own[0]
    if letter not in LETTERS and (weight := _plain_mass(mods)):
        return f"{letter}{weight:+.4f}"  # X[+123.4] is ProForma's gap of that mass
    if letter not in LETTERS:
        raise InputError(_unknown(letter, position, text))
    # masses of the user's own residues, and what is written beside them
    extra = [mass_of(t) - LETTERS[letter] for t in own if t]  # type: ignore[operator]
    rest = _sum([m for m, t in zip(mods, own) if t is None], letter)
    delta = Delta(rest.mass + sum(extra), rest.slack, rest.nominal and not extra)
    token = _snapped(letter, delta, fixed) or residue(letter, delta)
    if token is None:
        raise InputError(f"{letter}{delta.mass:+.4g} at position {position} of {text!r} would weigh less than nothing")
    return token


def _plain_mass(mods: Sequence[str]) -> float | None:
    """The mass of a gap, None unless it is above 0."""
    mass = _sum(mods, "").mass
    return mass if mass >= 0.0001 else None


def _snapped(letter: str, delta: Delta, fixed: Mapping[str, str]) -> str | None:
    """The user's own residue of about that mass, if no known modification has it."""
    near = known(mark_of(delta, letter), letter) if not delta.nominal else None
    if near is not None or abs(delta.mass) < delta.slack:
        return None
    own = {t for t in fixed.values() if t[0] == letter and t[1:]}
    close = 0.5 if delta.nominal else delta.slack
    return next((t for t in sorted(own) if abs(mass_of(t) - LETTERS[letter] - delta.mass) < close), None)  # type: ignore[operator]


def _front(mods: Sequence[str], first: str, fixed: Mapping[str, str]) -> str | None:
    """The token of the N-terminal modification."""
    if not mods:
        return fixed.get("n")
    if len(mods) == 1 and (own := _own("n", mods[0], fixed)):
        return own
    # pyro-glutamate is of E or of Q: the residue says which
    deltas = [modification(m, "E" if first == "E" and "glu" in m.lower() else "n") for m in mods]
    exact = [_exact(d, "n") if d.nominal else d for d in deltas]
    total = Delta(round(sum(d.mass for d in exact), 6), max(d.slack for d in exact))
    return terminal(total)


def _back(mods: Sequence[str], fixed: Mapping[str, str]) -> str | None:
    """The token of the C-terminal modification."""
    if not mods:
        return fixed.get("c")
    if len(mods) == 1 and (own := _own("c", mods[0], fixed)):
        return own
    mark = mark_of(_sum(mods, "c"), "c")
    return f"-[{mark}]" if mark else None


def _unknown(letter: str, position: int, text: str) -> str:
    """The message about a residue that the table lacks."""
    message = f"unknown residue {letter!r} (position {position} of {text!r})"
    if letter == "C":
        return message + (
            ": if every cysteine was carbamidomethylated, give fixed={'C': 'C+57.021'} (--fixed C+57.021); if none "
            "was, --residue C=103.009185"
        )
    example = f"{LETTERS[letter]:.3f}" if letter in LETTERS else "MASS"
    return message + f": define it with its mass in Da (--residue {letter}={example})"
