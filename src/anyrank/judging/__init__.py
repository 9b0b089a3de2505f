"""Which documents to judge next, so that few judgements tell pipelines apart, and what those judgements show."""
