"""Adapters: pipelines as components of other frameworks, one file each, which imports that framework.

Each keeps its framework's conventions and gives its own objects back: `langchain`, `llamaindex`, `haystack`, `dspy`,
`pyterrier`, `sklearn`, `mteb`.
"""
