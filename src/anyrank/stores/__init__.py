"""Stores that users already run: a collection on a server of theirs, searched by the same pipelines as a folder's."""
