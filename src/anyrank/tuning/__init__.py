"""Choosing a pipeline by judged queries: a table of scores, and the choice among many pipelines that it makes cheap.

``table`` holds the scores of searches and rerankers, from which any pipeline of them is computed without running it;
``pool`` measures thousands of fusions at once.
"""
