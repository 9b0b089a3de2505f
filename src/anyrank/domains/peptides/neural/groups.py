"""Groups of peptides for training: the query is an annotated spectrum, a candidate's content a peptide, and its label
the negated mass deviation (PMD) from the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from ....core.types import Candidate, Ranking
from ....train.group import Group
from ..corrupt import practice
from ..distance import pmd, rmd
from ..simulate import simulated
from ..spectrum import Spectrum


def group_of(ranking: Ranking, id: str = "") -> Group:
    """The training group of a ranking whose query is an annotated spectrum; candidates with residues that models don't
    know are left out."""
    spectrum = ranking.query.content
    members = tuple(Candidate(c.id, c.content) for c in ranking if c.content.known_to_models)
    distances = pmd([c.content for c in members], spectrum.peptide)
    return Group(spectrum, members, tuple((-distances).tolist()), id or ranking.query.id)


def trainable(spectra: Sequence[Spectrum]) -> list[Spectrum]:
    """The annotated spectra without those whose peptide has residues that models don't know."""
    return [s for s in spectra if s.peptide is not None and s.peptide.known_to_models]


def true_groups(spectra: Sequence[Spectrum]) -> list[Group]:
    """Groups with an annotated spectrum and its true peptide alone; the ids are numbers, since titles may repeat."""
    annotated = [(s, s.peptide) for s in spectra if s.peptide is not None]
    return [Group(s, (Candidate(p.key, p),), (0.0,), f"spectrum {i}") for i, (s, p) in enumerate(annotated)]


def placeholders(n: int) -> list[Group]:
    """``n`` empty groups, which every epoch replaces by newly simulated spectra."""
    return [Group(None, (), (), f"simulated {i}") for i in range(n)]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Draws an epoch's groups: an empty one becomes a newly simulated spectrum with its true peptide; the others stay.
    Fixed by seed, epoch and the group's id."""

    seed: int = 0

    def __call__(self, group: Group, epoch: int) -> Group:
        if group.candidates:
            return group
        (spectrum,) = simulated(1, Random(f"{self.seed}:{epoch}:{group.id}").getrandbits(32))
        (truth,) = true_groups([spectrum])
        return truth


@dataclass(frozen=True, slots=True)
class Practice:
    """Draws an epoch's groups: a spectrum with its true peptide alone, given or newly simulated, gets new candidates by
    `corrupt.practice`, 2 to ``most`` of them, one time in five without the true one; groups with several candidates (an
    engine's) stay as they are. Fixed by seed, epoch and the group's id."""

    most: int = 6
    seed: int = 0

    def __call__(self, group: Group, epoch: int) -> Group:
        if len(group.candidates) > 1:
            return group
        spectrum = Simulated(self.seed)(group, epoch).query
        random = Random(f"{self.seed}:{epoch}:{group.id}")
        n = random.randint(min(2, self.most), self.most)
        truth = random.random() < 0.8
        seed = random.getrandbits(32)
        (ranking,) = practice([spectrum], n, seed, truth)
        # Of a very short peptide there may be no wrong candidate: then the true one is learned by itself.
        return group_of(ranking if len(ranking) else practice([spectrum], n, seed)[0], group.id)


def deviations(groups: Sequence[Group], shape: torch.Size) -> Tensor:
    """The residues' mass deviations (RMD) of all candidates as a tensor of ``shape`` [groups, candidates, 1 + longest],
    NaN at positions without a token of a candidate."""
    out = torch.full(shape, torch.nan)
    for rows, group in zip(out, groups):
        for row, candidate in zip(rows, group.candidates):
            values = rmd(candidate.content, group.query.peptide)
            row[1 : 1 + len(values)] = torch.from_numpy(values)  # position 0 is <cls>
    return out
