"""Vectors of contents (dense, sparse, one matrix a text), and the protocol of encoders."""

from .base import Encoded, Encoder, NamesTerms, NamesTokens, Vectors, as_vectors, join, kinds, vectors_class
from .dense import Dense
from .sparse import Sparse
from .tokens import Tokens

__all__ = [
    "Dense",
    "Encoded",
    "Encoder",
    "NamesTerms",
    "NamesTokens",
    "Sparse",
    "Tokens",
    "Vectors",
    "as_vectors",
    "join",
    "kinds",
    "vectors_class",
]
