"""anyrank ranks anything with any method of the neural-ranking literature."""

from .client import Client
from .core.errors import AnyrankError, InputError, JudgeError, MissingExtra, ModelError
from .core.fusion import RRF, Borda, Combine, Interleave
from .core.groupings import AllPairs, Bubble, Heap, MergeSort, Pointwise, Sliding, Tournament
from .core.rerank import Judge, Rerank
from .core.stage import Branch, Cut, Each, Fuse, Keep, Stage
from .core.trace import Step, Usage
from .core.types import Candidate, Judgement, Query, Ranking
from .index_folder import Index
from .judges.both_orders import BothOrders
from .shortcuts import arerank, arerank_many, explain, pipeline, rerank, rerank_many

__version__ = "0.2.0"

__all__ = [
    "RRF",
    "AllPairs",
    "AnyrankError",
    "Borda",
    "BothOrders",
    "Branch",
    "Bubble",
    "Candidate",
    "Client",
    "Combine",
    "Cut",
    "Each",
    "Fuse",
    "Heap",
    "Index",
    "InputError",
    "Interleave",
    "Judge",
    "JudgeError",
    "Judgement",
    "Keep",
    "MergeSort",
    "MissingExtra",
    "ModelError",
    "Pointwise",
    "Query",
    "Ranking",
    "Rerank",
    "Sliding",
    "Stage",
    "Step",
    "Tournament",
    "Usage",
    "arerank",
    "arerank_many",
    "explain",
    "pipeline",
    "rerank",
    "rerank_many",
]
