"""Vectors of contents (dense, sparse), and the protocols of encoders and indexes."""

from .vectors import Dense, Documents, Encoded, Encoder, Index, Sparse, Vectors, concat, dots, take

__all__ = ["Dense", "Documents", "Encoded", "Encoder", "Index", "Sparse", "Vectors", "concat", "dots", "take"]
