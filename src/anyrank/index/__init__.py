"""Indexes over a store: lexical and vectors, and a collection that holds both."""
