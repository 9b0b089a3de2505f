"""Pipelines as text, such as ``"bm25 % 100 >> mini"``.

``parser`` reads a text into a stage and ``text`` writes a stage as text. ``table`` lists all names, each a ``Part``
(``parts``); ``methods`` adds the papers' methods. ``arguments`` checks the arguments of a name, ``context`` holds the
index and filter of a pipeline, and ``named`` the stages that remember their call.
"""
