"""Evaluation of rankings: measures, significance, intervals, cost, and tables as text. HTML reports are in `pages`."""

from .cost import Cost, peak_memory_mb
from .evaluation import Comparison, Evaluation, Summary, evaluate
from .measures import Meter, lists, parse

__all__ = [
    "Comparison",
    "Cost",
    "Evaluation",
    "Meter",
    "Summary",
    "evaluate",
    "lists",
    "parse",
    "peak_memory_mb",
]
