"""Fakes and contract suites, published for authors of plug-ins.

Fakes: Oracle, Scripted, Hostile (judges), OracleModel, ScriptedModel, HostileModel (language models), toy rankings.
Suites: ``check_grouping``, ``check_judge``, ``check_stage``, ``check_encoder``, ``check_index``,
``check_backend``, ``check_loss``: each takes the component and raises AssertionError with what it broke.
"""

from .contracts import check_encoder, check_grouping, check_index, check_judge, check_stage
from .judges import Counting, Hostile, Oracle, Scripted, toy
from .language import check_backend
from .llm import HostileModel, OracleModel, ScriptedModel
from .losses import check_loss

__all__ = [
    "Counting",
    "Hostile",
    "HostileModel",
    "Oracle",
    "OracleModel",
    "Scripted",
    "ScriptedModel",
    "check_backend",
    "check_encoder",
    "check_grouping",
    "check_index",
    "check_judge",
    "check_loss",
    "check_stage",
    "toy",
]
