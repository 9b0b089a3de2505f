"""Ranks with language models: prompts as data, judges that read answers or probabilities, and wrappers of backends.

A method is ``Rerank(Signal(backend, template), grouping)``.
"""
