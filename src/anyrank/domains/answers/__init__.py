"""Answers to questions from the passages of a ranking, with citations that are checked against the passages cited."""
