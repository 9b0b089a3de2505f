"""Pipelines as text: the parser and the table of names."""
