"""Retrieval as stages: search by words and by vectors, contents attached to runs, relevance feedback."""
