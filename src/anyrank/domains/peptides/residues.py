"""The residue table: monoisotopic masses in Da of the 23 residues and 4 N-terminal modifications that RankNovo and
Casanovo know (arXiv 2505.17552), of the plain residues, and the known modifications by name, UNIMOD number and mass.

Every residue is a token: a letter, and the mark of its modification if it has one (``S+79.966``). The models' tokens
are `RESIDUES` and `N_TERM`; any other modification is written in the same way and used by the methods without a model.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache

from ...core.errors import InputError

PROTON = 1.00727646688
WATER = 2 * 1.007825035 + 15.99491463
HYDROGEN, HYDROXYL = 1.00782503, 17.00273965
ISOTOPE = 1.00335
"""The spacing of isotope peaks, 13C less 12C."""

RESIDUES: dict[str, float] = {
    "G": 57.021464, "A": 71.037114, "S": 87.032028, "P": 97.052764, "V": 99.068414, "T": 101.047670,
    "C+57.021": 160.030649, "L": 113.084064, "I": 113.084064, "N": 114.042927, "D": 115.026943, "Q": 128.058578,
    "K": 128.094963, "E": 129.042593, "M": 131.040485, "H": 137.058912, "F": 147.068414, "R": 156.101111,
    "Y": 163.063329, "W": 186.079313, "M+15.995": 147.0354, "N+0.984": 115.026943, "Q+0.984": 129.042594,
}  # fmt: skip
N_TERM: dict[str, float] = {
    "+42.011": 42.010565, "+43.006": 43.005814, "-17.027": -17.026549, "+43.006-17.027": 25.980265,
}  # fmt: skip
MASSES: dict[str, float] = RESIDUES | N_TERM
"""The mass of every token that models know; an N-terminal modification is a token of its own, before the first
residue."""

LETTERS: dict[str, float] = {t: m for t, m in RESIDUES.items() if len(t) == 1} | {
    "C": 160.030649 - 57.021464, "U": 150.953635, "O": 237.147727,
}  # fmt: skip
"""The plain residues, selenocysteine (U) and pyrrolysine (O) included."""


@dataclass(frozen=True, slots=True)
class Modification:
    """A known modification: its mass in Da, PSI-MS name, UNIMOD number, and the residues that it is found on (``n`` and
    ``c`` are the ends of the peptide)."""

    mass: float
    name: str
    unimod: int
    sites: str

    @property
    def mark(self) -> str:
        """The mass as it stands in tokens."""
        return f"{self.mass:+.3f}"


KNOWN: tuple[Modification, ...] = tuple(Modification(*row) for row in (
    (57.021464, "Carbamidomethyl", 4, "C"), (15.994915, "Oxidation", 35, "MWHPKY"),
    (0.984016, "Deamidated", 7, "NQ"), (42.010565, "Acetyl", 1, "nKST"), (43.005814, "Carbamyl", 5, "nKR"),
    (-17.026549, "Ammonia-loss", 385, "nN"), (79.966331, "Phospho", 21, "STYH"), (79.956815, "Sulfo", 40, "YST"),
    (-18.010565, "Glu->pyro-Glu", 27, "n"), (-18.010565, "Dehydrated", 23, "STYDNQ"),
    (39.994915, "Pyro-carbamidomethyl", 26, "C"), (14.015650, "Methyl", 34, "KRcDEHn"),
    (28.031300, "Dimethyl", 36, "KRn"), (42.046950, "Trimethyl", 37, "KR"), (42.021798, "Guanidinyl", 52, "Kn"),
    (114.042927, "GG", 121, "KSTCn"), (229.162932, "TMT6plex", 737, "nK"), (304.207145, "TMTpro", 2016, "nK"),
    (224.152478, "TMT", 739, "nK"), (144.102063, "iTRAQ4plex", 214, "nKY"), (304.205360, "iTRAQ8plex", 730, "nKY"),
    (6.020129, "Label:13C(6)", 188, "KRLI"), (8.014199, "Label:13C(6)15N(2)", 259, "K"),
    (10.008269, "Label:13C(6)15N(4)", 267, "R"), (4.025107, "Label:2H(4)", 481, "K"),
    (32.056407, "Dimethyl:2H(4)", 199, "nK"), (-0.984016, "Amidated", 2, "c"),
    (58.005479, "Carboxymethyl", 6, "C"), (71.037114, "Propionamide", 24, "C"), (119.004099, "Cysteinyl", 312, "C"),
    (125.047679, "Nethylmaleimide", 108, "C"), (45.987721, "Methylthio", 39, "C"), (305.068156, "Glutathione", 55, "C"),
    (31.989829, "Dioxidation", 425, "MWC"), (47.984744, "Trioxidation", 345, "C"), (27.994915, "Formyl", 122, "nK"),
    (56.026215, "Propionyl", 58, "Kn"), (68.026215, "Crotonyl", 1363, "K"), (70.041865, "Butyryl", 1289, "K"),
    (86.000394, "Malonyl", 747, "K"), (100.016044, "Succinyl", 64, "Kn"), (226.077598, "Biotin", 3, "Kn"),
    (44.985078, "Nitro", 354, "YW"), (21.981943, "Cation:Na", 30, "DEc"), (162.052824, "Hex", 41, "KNSTn"),
    (203.079373, "HexNAc", 43, "NST"),
))  # fmt: skip
"""The modifications known by name, the models' first; of equal masses the first that is found on the residue is meant.
Masses are those of the UNIMOD entries."""

_ALIASES = {
    "carbamidomethylation": 4, "cam": 4, "iodoacetamidederivative": 4, "ox": 35, "hydroxylation": 35, "deamidation": 7,
    "deamidated": 7, "de": 7, "ac": 1, "acetylation": 1, "carbamylation": 5, "ammonialoss": 385, "gln->pyro-glu": 385,
    "unimod:28": 385, "pyro-glufromq": 385, "pyro-glufrome": 27, "pyro-carbamidomethylasadeltafromcarbamidomethyl-cys":
    385, "ph": 21, "phosphorylation": 21, "sulfation": 40, "methylation": 34, "dimethylation": 36, "trimethylation": 37,
    "glygly": 121, "ubiquitination": 121, "tmt10plex": 737, "tmt6": 737, "tmt16plex": 2016, "amidation": 2,
    "cysteinylation": 312, "propionamidation": 24, "formylation": 122, "succinylation": 64, "mod:00696": 21,
    "mod:00719": 35, "mod:00400": 7, "mod:01060": 4, "mod:00046": 21, "mod:00047": 21, "mod:00048": 21,
    "label:13c(6)15n(2)(k)": 259, "lys8": 259, "arg10": 267, "lys6": 188, "arg6": 188, "lys4": 481,
}  # fmt: skip
"""UNIMOD numbers by other names, lower-case and without spaces. The loss of ammonia that makes pyro-glutamate of Q
(UNIMOD:28) is the same as any other loss of ammonia."""
_BY_NUMBER = {m.unimod: m for m in KNOWN}
_NAMES = {m.name.lower(): m for m in KNOWN} | {f"unimod:{m.unimod}": m for m in KNOWN}
_NAMES |= {name: _BY_NUMBER[number] for name, number in _ALIASES.items()}
_PYRO_GLU = ("pyro-glu", "pyroglu", "pyro_glu", "gl", "pyroglutamicacid")

TOLERANCE, EXACT = 0.012, 0.003
"""The largest difference in Da between a written mass and a modification's: if it is written with up to two decimals
(``+.98`` and ``+57.02`` are common), and with more."""

MARK = r"[+-]\d+\.\d+"
_RESIDUE = re.compile(rf"([A-Z])({MARK})?")
_FRONT = re.compile(rf"(?:{MARK})+")
_BACK = re.compile(rf"-\[({MARK})\]")


@cache
def mass_of(token: str) -> float | None:
    """The mass of a token in Da, None for a text that is no token: a residue, an N-terminal modification (``+42.011``)
    or a C-terminal one (``-[-0.984]``).

    >>> mass_of("M+15.995"), mass_of("S+79.966"), mass_of("X+111.1000"), mass_of("U"), mass_of("B")
    (147.0354, 166.998359, 111.1, 150.953635, None)
    """
    if token in MASSES:
        return MASSES[token]
    if m := _RESIDUE.fullmatch(token):
        base = LETTERS.get(m[1], 0.0)  # an unknown letter weighs as much as its mark says
        mass = round(base + (_mark_mass(m[2], m[1]) if m[2] else 0.0), 6)
        return mass if mass > 0 else None
    if _FRONT.fullmatch(token):
        return round(math.fsum(_mark_mass(x, "n") for x in re.findall(MARK, token)), 6)
    if m := _BACK.fullmatch(token):
        return _mark_mass(m[1], "c")
    return None


def is_front(token: str) -> bool:
    """True for the token of an N-terminal modification."""
    return token[:1] in ("+", "-") and token[:2] != "-["


def is_back(token: str) -> bool:
    """True for the token of a C-terminal modification."""
    return token[:2] == "-["


@cache
def known(mark: str, site: str) -> Modification | None:
    """The known modification of a mark at a residue (or at ``n`` or ``c``), None if there is none."""
    rows = [m for m in KNOWN if m.mark == mark]
    return next((m for m in rows if site in m.sites), rows[0] if rows else None)


def _mark_mass(mark: str, site: str) -> float:
    row = known(mark, site)
    return row.mass if row else float(mark)


@dataclass(frozen=True, slots=True)
class Delta:
    """The mass of a written modification in Da, how far it may be from the modification that is meant, and whether it
    was written as a whole number."""

    mass: float
    slack: float = EXACT
    nominal: bool = False


@lru_cache(4096)
def modification(text: str, site: str = "") -> Delta:
    """The mass of a modification by its name, UNIMOD number or mass; ``site`` is the residue it is on, or ``n`` or
    ``c``. A number without a sign may be the mass of the whole modified residue, as in ``M[147]`` and ``n[43]``. Of
    alternatives as in ``Oxidation|+15.995`` the first known one is taken.

    >>> [modification(x).mass for x in ("UNIMOD:35", "Carbamidomethyl (C)", "+.98")], modification("147", "M").mass
    ([15.994915, 57.021464, 0.98], 15.994915)
    """
    error: InputError | None = None
    for part in text.split("|"):
        try:
            return _modification(part, site)
        except InputError as problem:
            error = error or problem
    raise error or InputError("an empty modification")


_ON_SITES = re.compile(r"(?<=.)\((?!6\)|4\)|2\))[^()]*\)$")
"""The residues behind a name, as in ``Oxidation(M)``; not the numbers of labels, as in ``Label:13C(6)``."""


def _modification(text: str, site: str) -> Delta:
    key = "".join(text.split()).lower()
    key = re.sub(r"#\w+(\(.*\))?$", "", key)  # ProForma's labels of groups
    for prefix in ("u:", "m:", "obs:"):  # ProForma's names of vocabularies
        if key.startswith(prefix):
            key = key.removeprefix(prefix)
            key = f"unimod:{key}" if key.isdigit() and prefix == "u:" else key
    for name in (key, _ON_SITES.sub("", key)):
        if name in _PYRO_GLU:
            return Delta(_BY_NUMBER[27 if site == "E" else 385].mass)
        if name in _NAMES:
            return Delta(_NAMES[name].mass)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", key) is None or not abs(float(key)) < 1e5:
        listed = ", ".join(f"{m.name} (UNIMOD:{m.unimod}, {m.mark})" for m in KNOWN[:6])
        raise InputError(
            f"unknown modification {text!r}: expected {listed} or another of UNIMOD's common ones, a mass in Da as in "
            f'+15.995, or one that you define (--residue "{site or "S"}[{text}]=MASS OF THE MODIFIED RESIDUE")'
        )
    value, decimals = float(key), len(key.partition(".")[2])
    slack = EXACT if decimals > 2 else TOLERANCE
    signed = key[0] in "+-"
    if not signed and (total := _of_total(value, decimals, site)) is not None:
        return Delta(total)
    return Delta(value, slack, nominal=decimals == 0 and value != 0)


def _of_total(value: float, decimals: int, site: str) -> float | None:
    """The mass of the known modification with which a residue (or end) weighs ``value`` in all, None if there is
    none."""
    base = {"n": HYDROGEN, "c": HYDROXYL}.get(site) or LETTERS.get(site)
    if base is None:
        return None
    near = 0.5 if decimals == 0 else 0.06 if decimals < 3 else EXACT
    rows = [m for m in KNOWN if abs(base + m.mass - value) < near]
    rows = [m for m in rows if site in m.sites] or [m for m in rows if "n" in m.sites and site in "EQ"]
    if rows:
        return rows[0].mass
    return 0.0 if abs(base - value) < near else None


@lru_cache(4096)
def mark_of(delta: Delta, site: str) -> str:
    """The mark of a modification at a residue (or ``n`` or ``c``): the known one of about its mass, which is best found
    there; else the mass as it is, with four decimals. Empty for no mass at all. Raises InputError on a whole number
    that is no known modification's.

    >>> mark_of(Delta(79.97, TOLERANCE), "S"), mark_of(Delta(123.45), "K"), mark_of(Delta(57, nominal=True), "C")
    ('+79.966', '+123.4500', '+57.021')
    """
    if delta.nominal:
        rows = [m for m in KNOWN if round(m.mass) == round(delta.mass) and site in m.sites]
    else:
        rows = [m for m in KNOWN if abs(m.mass - delta.mass) < delta.slack]
        rows.sort(key=lambda m: abs(m.mass - delta.mass))
    chosen = [m for m in rows if site in m.sites] or rows
    if chosen:
        return chosen[0].mark
    if delta.nominal:
        raise InputError(
            f"a modification of {delta.mass:+g} Da is no known one's whole mass: write it with decimals, or define the "
            f'residue (--residue "{site}[{delta.mass:+g}]=MASS")'
        )
    return "" if abs(delta.mass) < 0.002 else f"{delta.mass:+.4f}"


def residue(letter: str, delta: Delta) -> str | None:
    """The token of a residue with a modification, or None if there is no such letter or its mass would not be above 0.
    Cysteine without a modification is ``C``.

    >>> residue("M", Delta(15.99, TOLERANCE)), residue("G", Delta(0.0)), residue("B", Delta(0.0))
    ('M+15.995', 'G', None)
    """
    if letter not in LETTERS:
        return None
    token = letter + mark_of(delta, letter)
    return token if mass_of(token) is not None else None


def terminal(delta: Delta) -> str | None:
    """The token of an N-terminal modification, None if its mass is 0."""
    both = next((t for t, m in N_TERM.items() if t.count(".") > 1 and abs(m - delta.mass) < delta.slack), None)
    return both or mark_of(delta, "n") or None


def defined(spec: str) -> tuple[str, str]:
    """A residue that a user defines, ``S[Phospho]=166.998`` or ``U=150.954``: how files spell it (the name in lower
    case), and its token. ``n[Name]`` and ``c[Name]`` are modifications of the ends, with their own mass. Raises
    InputError on other texts.

    >>> defined("S[Phospho]=166.998"), defined("K[Mine]=500.1234"), defined("c[Amide]=-0.984"), defined("C=103.009")
    (('S[phospho]', 'S+79.966'), ('K[mine]', 'K+372.0284'), ('c[amide]', '-[-0.984]'), ('C', 'C'))
    """
    m = re.fullmatch(r"\s*([A-Znc])(?:\[([^\[\]]+)\])?\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*", spec)
    if m is None or (m[1] in "nc" and m[2] is None):
        raise InputError(
            f"residue {spec.strip()!r}: expected LETTER[NAME]=MASS with the mass of the whole residue in Da, as in "
            "S[Phospho]=166.998 or U=150.954, or n[NAME]=MASS and c[NAME]=MASS with the mass of the modification"
        )
    letter, name, mass = m[1], m[2], float(m[3])
    spelled = letter + (f"[{''.join(name.split()).lower()}]" if name else "")
    if letter in "nc":
        mark = mark_of(Delta(mass), letter)
        return spelled, (f"-[{mark}]" if letter == "c" else mark)
    delta = mass - LETTERS.get(letter, 0.0)
    token = letter + mark_of(Delta(delta), letter)
    if not mass > 0 or mass_of(token) is None:
        raise InputError(f"residue {spec.strip()!r}: the mass of a residue must be above 0")
    return spelled, token
