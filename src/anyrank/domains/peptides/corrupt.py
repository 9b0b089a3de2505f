"""Wrong candidates for a known peptide, like those that engines propose, to train without an engine."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations_with_replacement
from random import Random

from ...core.types import Candidate, Query, Ranking
from .distance import pmd
from .peptide import Peptide
from .residues import MASSES, N_TERM, RESIDUES, mass_of
from .spectrum import Spectrum

Tokens = list[str]
EQUAL = 0.02
"""Masses that differ by less, in Da, count as equal."""


def swap(tokens: Tokens, random: Random) -> Tokens:
    """Exchange two residues, mostly neighbours: the mass stays."""
    i = random.randrange(len(tokens))
    j = i + 1 if random.random() < 0.7 else random.randrange(len(tokens))
    if j < len(tokens):
        tokens[i], tokens[j] = tokens[j], tokens[i]
    return tokens


def substitute(tokens: Tokens, random: Random) -> Tokens:
    """Replace one or two neighbours by one or two residues of equal mass: GG for N, AG or K for Q, SV for W."""
    size = random.choice((1, 2, 2))
    i = random.randrange(max(len(tokens) - size + 1, 1))
    old = tokens[i : i + size]
    others = [x for x in _of_mass(math.fsum(mass_of(t) or 0.0 for t in old)) if sorted(x) != sorted(old)]
    if others:
        chosen = list(random.choice(others))
        random.shuffle(chosen)
        tokens[i : i + size] = chosen
    return tokens


def delete(tokens: Tokens, random: Random) -> Tokens:
    """Leave out a residue."""
    if len(tokens) > 1:
        del tokens[random.randrange(len(tokens))]
    return tokens


def modify(tokens: Tokens, random: Random) -> Tokens:
    """Add or remove a modification of M, N or Q."""
    pairs = {"M": "M+15.995", "N": "N+0.984", "Q": "Q+0.984"}
    pairs |= {b: a for a, b in pairs.items()}
    if positions := [i for i, t in enumerate(tokens) if t in pairs]:
        i = random.choice(positions)
        tokens[i] = pairs[tokens[i]]
    return tokens


Edit = Callable[[Tokens, Random], Tokens]
EDITS: Mapping[Edit, float] = {swap: 0.4, substitute: 0.4, delete: 0.1, modify: 0.1}
"""The edits and their probabilities: our choice. Most keep the mass, as engines' errors do."""
SAME_MASS: Mapping[Edit, float] = {swap: 0.5, substitute: 0.5}
"""The edits that keep the mass."""


def corrupted(
    peptide: Peptide, n: int, seed: int | str = 0, most_edits: int = 3, edits: Mapping[Edit, float] = EDITS
) -> list[Peptide]:
    """Up to ``n`` different wrong peptides, each 1 to ``most_edits`` edits away; fewer if the peptide is too short to
    have as many. No two have the same masses in the same order (as I and L, D and deamidated N have), since no spectrum
    could tell them apart. With `modify` among the edits, one draw in ten also changes the N-terminal modification. The
    same for the same seed, on every machine.

    >>> corrupted(Peptide(tuple("PEPTIDEK")), 3) == corrupted(Peptide(tuple("PEPTIDEK")), 3)
    True
    """
    random = Random(f"{seed}:{peptide}")
    kinds, weights = zip(*edits.items())
    candidates: dict[bytes, Peptide] = {}  # by masses
    for _ in range(60 * n):  # many edits give a peptide that is there already, or the true one
        if len(candidates) == n:
            break
        tokens, front = list(peptide.residues), peptide.n_term
        for edit in random.choices(kinds, weights, k=random.randint(1, most_edits)):
            tokens = edit(tokens, random)
        if modify in edits and random.random() < 0.1:
            front = random.choice(["", *N_TERM])
        back = [peptide.c_term] if peptide.c_term else []
        wrong = Peptide((*([front] if front else []), *tokens, *back))
        if _mass_key(wrong) != _mass_key(peptide):
            candidates.setdefault(_mass_key(wrong), wrong)
    return list(candidates.values())


def practice(spectra: Sequence[Spectrum], n: int = 6, seed: int = 0, truth: bool = True) -> list[Ranking]:
    """Training rankings: annotated spectra with up to ``n`` candidates each, in random order, wrong ones and, with
    ``truth``, the true peptide. ``meta["pmd"]`` holds each one's distance from the truth. Spectra without an annotation
    are left out.

    Wrong candidates made by edits of the truth would all surround it, so that a ranker could find it as the central
    one, without the spectrum. So they are edits of another peptide (the hub, one edit of equal mass away from the
    truth), which is itself left out. For the same reason all are spelled with L for I.
    """
    out = []
    for s in spectra:
        if s.peptide is None:
            continue
        right = s.peptide.canonical
        hub = next(iter(corrupted(right, 1, f"{seed}:hub", 1, SAME_MASS)), right)
        wrong = [p for p in corrupted(hub, n, seed, 1) if _mass_key(p) != _mass_key(right)][: n - truth]
        peptides = [*wrong, right] if truth else wrong
        Random(f"{seed}:{s.name}").shuffle(peptides)
        distances = pmd(peptides, right).tolist()
        candidates = (Candidate(p.key, p, 1 / i, {"pmd": d}) for i, (p, d) in enumerate(zip(peptides, distances), 1))
        out.append(Ranking(Query(s.name, s), tuple(candidates)))
    return out


def _mass_key(peptide: Peptide) -> bytes:
    """The rounded masses in their order: equal for peptides that no spectrum tells apart."""
    return peptide.masses.round(3).tobytes()


@cache
def _pieces() -> tuple[list[float], list[tuple[str, ...]]]:
    """All single residues and pairs of them with their masses, by rising mass; L stands for I too."""
    residues = [t for t in RESIDUES if t != "I"]
    pieces = [piece for size in (1, 2) for piece in combinations_with_replacement(residues, size)]
    pieces.sort(key=lambda piece: sum(MASSES[t] for t in piece))
    return [sum(MASSES[t] for t in piece) for piece in pieces], pieces


def _of_mass(mass: float) -> list[tuple[str, ...]]:
    """Single residues and pairs of that mass, within `EQUAL`."""
    masses, pieces = _pieces()
    return pieces[bisect_left(masses, mass - EQUAL) : bisect_right(masses, mass + EQUAL)]
