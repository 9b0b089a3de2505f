"""Ranking with language models: prompts as data, signals, answer reading, and wrappers of backends.

A method is ``Rerank(Signal(backend, template), grouping)``.
"""
