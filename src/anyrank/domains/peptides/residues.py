"""The residue table: monoisotopic masses in Da of the 23 residues and 4 N-terminal modifications that RankNovo and
Casanovo know (arXiv 2505.17552), and the modifications by name, UNIMOD number and mass."""

from __future__ import annotations

from ...core.errors import InputError

PROTON = 1.00727646688
WATER = 2 * 1.007825035 + 15.99491463
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
"""The mass of every token; an N-terminal modification is a token of its own, before the first residue."""

MODIFICATIONS: dict[str, tuple[float, str, int]] = {
    "+57.021": (57.021464, "Carbamidomethyl", 4),
    "+15.995": (15.994915, "Oxidation", 35),
    "+0.984": (0.984016, "Deamidated", 7),
    "+42.011": (42.010565, "Acetyl", 1),
    "+43.006": (43.005814, "Carbamyl", 5),
    "-17.027": (-17.026549, "Ammonia-loss", 385),
}
"""By their mark: mass in Da, PSI-MS name, UNIMOD number."""

_NAMES = {name.lower(): mass for mass, name, _ in MODIFICATIONS.values()}
_NAMES |= {f"unimod:{number}": mass for mass, _, number in MODIFICATIONS.values()}
_NAMES |= {
    "carbamidomethylation": 57.021464, "deamidation": 0.984016, "deamidated": 0.984016, "acetylation": 42.010565,
    "carbamylation": 43.005814, "ammonia loss": -17.026549, "gln->pyro-glu": -17.026549, "unimod:28": -17.026549,
    "pyro-glu": -17.026549,
}  # fmt: skip

TOLERANCE = 0.012
"""The largest difference in Da between a written mass and a modification's: ``+.98`` and ``+57.02`` are common."""


def modification(text: str) -> float:
    """The mass of a modification by its name, UNIMOD number or mass.

    >>> modification("UNIMOD:35"), modification("Carbamidomethyl"), modification("+.98")
    (15.994915, 57.021464, 0.98)
    """
    key = text.strip().lower()
    for prefix in ("u:", "m:"):  # ProForma's one-letter names of controlled vocabularies
        key = key.removeprefix(prefix)
    if key in _NAMES:
        return _NAMES[key]
    if f"unimod:{key}" in _NAMES and text.strip().lower().startswith("u:"):
        return _NAMES[f"unimod:{key}"]
    try:
        return float(key)
    except ValueError:
        known = ", ".join(f"{name} (UNIMOD:{n}, {mark})" for mark, (_, name, n) in MODIFICATIONS.items())
        raise InputError(
            f"unknown modification {text!r}: expected one of {known}, or a mass in Da as in +15.995"
        ) from None


def residue(letter: str, delta: float) -> str | None:
    """The token of a residue whose modifications weigh ``delta``, or None.

    >>> residue("M", 15.99), residue("M", 1.0), residue("G", 0.0)
    ('M+15.995', None, 'G')
    """
    bare = _BARE.get(letter)
    if bare is None:
        return None
    return next((t for t, m in RESIDUES.items() if t[0] == letter and abs(m - bare - delta) < TOLERANCE), None)


def terminal(delta: float) -> str | None:
    """The N-terminal token of that mass, or None."""
    return next((t for t, m in N_TERM.items() if abs(m - delta) < TOLERANCE), None)


_BARE = {t: m for t, m in RESIDUES.items() if len(t) == 1} | {"C": 160.030649 - 57.021464}
