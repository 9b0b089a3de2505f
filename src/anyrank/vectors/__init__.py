"""Vectors of contents (dense, sparse, one matrix a text), and the protocol of encoders."""

from .base import Encoded, Encoder, Vectors, as_vectors, join, kinds, vectors_class
from .dense import Dense
from .sparse import Sparse
from .tokens import Tokens

__all__ = [
    "Dense",
    "Encoded",
    "Encoder",
    "Sparse",
    "Tokens",
    "Vectors",
    "as_vectors",
    "join",
    "kinds",
    "vectors_class",
]
