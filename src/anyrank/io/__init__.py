"""Reads and writes files: runs, judgements, collections, candidate lists, data frames, and the journal of a long
job."""

from .candidates import ranking_from_dict, ranking_to_dict, ranking_to_rank_llm, read_rankings, step_from_dict
from .corpus import DOCUMENT, QUERY, document, query, read_documents, read_queries
from .dataset import Beir, Dataset
from .files import atomic
from .frames import from_frame, rankings_from_dict, run_to_dict, to_frame, to_rows
from .journal import Journal, fingerprint
from .qrels import Qrels, read_qrels, write_qrels
from .records import Fields, json_lines, write_jsonl
from .runs import Run, attach, iter_run, read_run, write_run

__all__ = [
    "DOCUMENT",
    "QUERY",
    "Beir",
    "Dataset",
    "Fields",
    "Journal",
    "Qrels",
    "Run",
    "atomic",
    "attach",
    "document",
    "fingerprint",
    "from_frame",
    "iter_run",
    "json_lines",
    "query",
    "ranking_from_dict",
    "ranking_to_dict",
    "ranking_to_rank_llm",
    "rankings_from_dict",
    "read_documents",
    "read_qrels",
    "read_queries",
    "read_rankings",
    "read_run",
    "run_to_dict",
    "step_from_dict",
    "to_frame",
    "to_rows",
    "write_jsonl",
    "write_qrels",
    "write_run",
]
