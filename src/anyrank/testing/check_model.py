"""`check_model`: what every kind of model promises (`models.base.Model`), held against one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.types import Candidate


def candidates_of(groups: Sequence[Sequence[Any]]) -> list[list[Candidate]]:
    """Contents as candidates, their ids "0", "1", … within each group.

    >>> candidates_of([["a", "b"]])[0][1].id
    '1'
    """
    return [[Candidate(str(i), content) for i, content in enumerate(group)] for group in groups]
