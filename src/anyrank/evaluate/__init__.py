"""Evaluation of rankings: measures, significance, intervals, cost, and tables as text. HTML reports are in `pages`."""

from .cost import Cost, peak_memory_mb
from .evaluation import Comparison, Evaluation, Summary, evaluate
from .inputs import Judgements, lists
from .measures import Meter, parse

__all__ = [
    "Comparison",
    "Cost",
    "Evaluation",
    "Judgements",
    "Meter",
    "Summary",
    "evaluate",
    "lists",
    "parse",
    "peak_memory_mb",
]
