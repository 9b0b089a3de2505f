"""Evaluation of rankings: measures, significance, intervals, cost, and tables as text. HTML reports are in `pages`."""

from .comparisons import Comparison, Summary
from .cost import Cost, peak_memory_mb
from .evaluation import Evaluation, evaluate
from .inputs import Judgements, lists
from .measures import Meter, parse
from .trainings import compare_trainings

__all__ = [
    "Comparison",
    "Cost",
    "Evaluation",
    "Judgements",
    "Meter",
    "Summary",
    "compare_trainings",
    "evaluate",
    "lists",
    "parse",
    "peak_memory_mb",
]
