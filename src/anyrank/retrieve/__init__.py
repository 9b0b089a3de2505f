"""Retrieval: the lexical index with its document store, vector indexes, collections, and the stages over them."""
