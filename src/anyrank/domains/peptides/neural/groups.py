"""Groups of peptides for training: the query's content is an annotated spectrum, a candidate's a peptide, and its label
the negated mass deviation (PMD) from the truth."""

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
    """The group of a ranking whose query is an annotated spectrum."""
    spectrum = ranking.query.content
    away = pmd([c.content for c in ranking], spectrum.peptide)
    members = tuple(Candidate(c.id, c.content) for c in ranking)
    return Group(spectrum, members, tuple((-away).tolist()), id or ranking.query.id)


def true_groups(spectra: Sequence[Spectrum]) -> list[Group]:
    """The groups of annotated spectra with the true peptide alone; ids count them, since titles may come twice."""
    known = [(s, s.peptide) for s in spectra if s.peptide is not None]
    return [Group(s, (Candidate(p.key, p),), (0.0,), f"spectrum {i}") for i, (s, p) in enumerate(known)]


def placeholders(n: int) -> list[Group]:
    """So many groups of nothing, in place of which every epoch has newly simulated spectra."""
    return [Group(None, (), (), f"simulated {i}") for i in range(n)]


@dataclass(frozen=True, slots=True)
class Simulated:
    """What an epoch trains on: a group of nothing becomes a spectrum simulated anew with its true peptide; the others
    stay. Fixed by seed, epoch and the group's id."""

    seed: int = 0

    def __call__(self, group: Group, epoch: int) -> Group:
        if group.candidates:
            return group
        (spectrum,) = simulated(1, Random(f"{self.seed}:{epoch}:{group.id}").getrandbits(32))
        (truth,) = true_groups([spectrum])
        return truth


@dataclass(frozen=True, slots=True)
class Practice:
    """What an epoch trains on: a spectrum with the truth alone, given or simulated anew, gets new candidates of
    `corrupt.practice`, 2 to ``most`` of them, in one of five groups without the truth; groups with several candidates
    (an engine's) stay as they are. Fixed by seed, epoch and the group's id."""

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
        (made,) = practice([spectrum], n, seed, truth)
        # of a peptide that has no like there may be no wrong candidate: then the truth is learned by itself
        return group_of(made if len(made) else practice([spectrum], n, seed)[0], group.id)


def deviations(groups: Sequence[Group], shape: torch.Size) -> Tensor:
    """The residues' mass deviations (RMD) of all candidates as a tensor of ``shape`` [groups, candidates, 1 + longest],
    NaN where there is nothing to predict."""
    out = torch.full(shape, torch.nan)
    for rows, group in zip(out, groups):
        for row, candidate in zip(rows, group.candidates):
            away = rmd(candidate.content, group.query.peptide)
            row[1 : 1 + len(away)] = torch.from_numpy(away)  # position 0 is <cls>
    return out
