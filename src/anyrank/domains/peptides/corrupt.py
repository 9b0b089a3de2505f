"""Wrong candidates for a known peptide, like those that engines propose: training data without an engine."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations_with_replacement
from random import Random

from ...core.types import Candidate, Query, Ranking
from .distance import pmd
from .peptide import Peptide
from .residues import MASSES, N_TERM, RESIDUES
from .spectrum import Spectrum

Tokens = list[str]
EQUAL = 0.02
"""Pieces whose masses differ by less, in Da, count as equal."""


def swap(tokens: Tokens, random: Random) -> Tokens:
    """Two residues exchanged, neighbours more often than others: the mass stays."""
    i = random.randrange(len(tokens))
    j = i + 1 if random.random() < 0.7 else random.randrange(len(tokens))
    if i < len(tokens) and j < len(tokens):
        tokens[i], tokens[j] = tokens[j], tokens[i]
    return tokens


def substitute(tokens: Tokens, random: Random) -> Tokens:
    """One or two neighbours replaced by one or two residues of equal mass: GG for N, AG or K for Q, SV for W."""
    size = random.choice((1, 2, 2))
    i = random.randrange(max(len(tokens) - size + 1, 1))
    old = tokens[i : i + size]
    new = [x for x in _equal(sum(RESIDUES[t] for t in old)) if sorted(x) != sorted(old)]
    if new:
        chosen = list(random.choice(new))
        random.shuffle(chosen)
        tokens[i : i + size] = chosen
    return tokens


def delete(tokens: Tokens, random: Random) -> Tokens:
    """A residue left out."""
    if len(tokens) > 1:
        del tokens[random.randrange(len(tokens))]
    return tokens


def modify(tokens: Tokens, random: Random) -> Tokens:
    """A modification of M, N or Q put on or taken off."""
    pairs = {"M": "M+15.995", "N": "N+0.984", "Q": "Q+0.984"}
    pairs |= {b: a for a, b in pairs.items()}
    if places := [i for i, t in enumerate(tokens) if t in pairs]:
        i = random.choice(places)
        tokens[i] = pairs[tokens[i]]
    return tokens


Edit = Callable[[Tokens, Random], Tokens]
EDITS: Mapping[Edit, float] = {swap: 0.4, substitute: 0.4, delete: 0.1, modify: 0.1}
"""The edits and how often each is drawn: our choice, most keep the mass as engines' errors do."""
SAME_MASS: Mapping[Edit, float] = {swap: 0.5, substitute: 0.5}


def corrupted(
    peptide: Peptide, n: int, seed: int | str = 0, most_edits: int = 3, edits: Mapping[Edit, float] = EDITS
) -> list[Peptide]:
    """Up to ``n`` different wrong peptides, each 1 to ``most_edits`` edits away; fewer where the peptide is too short
    to have as many. No two have the same masses in the same order (as I and L, D and deamidated N have): no spectrum
    could tell them apart. With `modify` among the edits, one draw in ten also changes the N-terminal modification. The
    same for the same seed, on every machine.

    >>> corrupted(Peptide(tuple("PEPTIDEK")), 3) == corrupted(Peptide(tuple("PEPTIDEK")), 3)
    True
    """
    random = Random(f"{seed}:{peptide}")
    kinds, weights = zip(*edits.items())
    found: dict[bytes, Peptide] = {}
    for _ in range(60 * n):
        if len(found) == n:
            break
        tokens, front = list(peptide.residues), peptide.n_term
        for edit in random.choices(kinds, weights, k=random.randint(1, most_edits)):
            tokens = edit(tokens, random)
        if modify in edits and random.random() < 0.1:
            front = random.choice(["", *N_TERM])
        wrong = Peptide((*([front] if front else []), *tokens))
        if _weighed(wrong) != _weighed(peptide):
            found.setdefault(_weighed(wrong), wrong)
    return list(found.values())


def practice(spectra: Sequence[Spectrum], n: int = 6, seed: int = 0, truth: bool = True) -> list[Ranking]:
    """Annotated spectra with up to ``n`` candidates each, in random order, for training: wrong ones and, with
    ``truth``, the true peptide among them. ``meta["pmd"]`` holds each one's distance from the truth. Spectra without an
    annotation are left out.

    The wrong ones are one edit away from a peptide that is one edit of equal mass away from the truth and is itself
    left out: made of the truth, they would have it in their middle, where it could be told without the spectrum. For
    the same reason all are spelled with L for I.
    """
    out = []
    for s in spectra:
        if s.peptide is None:
            continue
        right = s.peptide.canonical
        hub = next(iter(corrupted(right, 1, f"{seed}:hub", 1, SAME_MASS)), right)
        wrong = [p for p in corrupted(hub, n, seed, 1) if _weighed(p) != _weighed(right)][: n - truth]
        peptides = [*wrong, right] if truth else wrong
        Random(f"{seed}:{s.name}").shuffle(peptides)
        away = pmd(peptides, right).tolist()
        rows = (Candidate(p.key, p, 1 / i, {"pmd": d}) for i, (p, d) in enumerate(zip(peptides, away), 1))
        out.append(Ranking(Query(s.name, s), tuple(rows)))
    return out


def _weighed(peptide: Peptide) -> bytes:
    return peptide.masses.round(3).tobytes()


@cache
def _pieces() -> tuple[list[float], list[tuple[str, ...]]]:
    """One or two residues, by mass; L stands for I too."""
    residues = [t for t in RESIDUES if t != "I"]
    every = [c for k in (1, 2) for c in combinations_with_replacement(residues, k)]
    every.sort(key=lambda c: sum(MASSES[t] for t in c))
    return [sum(MASSES[t] for t in c) for c in every], every


def _equal(mass: float) -> list[tuple[str, ...]]:
    masses, pieces = _pieces()
    return pieces[bisect_left(masses, mass - EQUAL) : bisect_right(masses, mass + EQUAL)]
