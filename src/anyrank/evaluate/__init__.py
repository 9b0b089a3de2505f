"""Judging results: measures, significance, intervals, cost, tables and the HTML report."""

from .cost import Cost, peak_memory_mb
from .evaluation import Comparison, Evaluation, Summary, evaluate
from .measures import Meter, lists, parse
from .report import report, write_report

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
    "report",
    "write_report",
]
