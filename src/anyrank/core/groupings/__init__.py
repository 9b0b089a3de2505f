"""Groupings: sorting algorithms whose comparator is a model, one file each.

A grouping decides which candidates are judged together, and turns the judge's scores into an order. It knows nothing
of queries, documents, prompts or models; `base` says what it may yield and what it must return. `Rerank(judge,
grouping)` runs it.
"""

from .all_pairs import AllPairs
from .base import Grouping, Groups, Plan, Scores, at_least, best_first
from .bubble import Bubble
from .heap import Heap
from .merge_sort import MergeSort
from .pointwise import Pointwise
from .sliding import Sliding
from .tournament import Tournament
from .uncertain import Uncertain
from .whole import Whole

__all__ = [
    "AllPairs",
    "Bubble",
    "Grouping",
    "Groups",
    "Heap",
    "MergeSort",
    "Plan",
    "Pointwise",
    "Scores",
    "Sliding",
    "Tournament",
    "Uncertain",
    "Whole",
    "at_least",
    "best_first",
]
