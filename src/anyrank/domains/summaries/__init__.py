"""Summaries: an article is the query, texts that summarise it are the candidates; and plans of what a summary says."""
