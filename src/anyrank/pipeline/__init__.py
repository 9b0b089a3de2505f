"""Pipelines as text. context: what names draw on; parts: what a name means; arguments: the call of a part; named: a
stage that remembers its call; table: all names; parser: text to stage; text: stage to text; methods: the papers."""
