"""Generative retrievers: models whose answer to a text is the identifier of a document.

``atomic`` has one output a document (DynamicRetriever), ``sequence`` writes identifiers token by token (DSI, NCI).
"""
